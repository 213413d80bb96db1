#include "framework/libvirt/extensions.hpp"

#include <fmt/format.h>
#include <sys/un.h>

#include <array>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "framework/model/error.hpp"

namespace velocity::libvirt {

namespace {

constexpr const char* kNamespace = "http://libvirt.org/schemas/domain/qemu/1.0";
constexpr const char* kCommandLine = "qemu:commandline";
// On pcie.0, behind the places that libvirt gives to root ports and in front of those of the chipset's own devices.
constexpr int kFirstSlot = 0x10;
constexpr int kMostInterfaces = 8;

constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kModels{{
    {"virtio", "virtio-net-pci"},
    {"e1000", "e1000"},
    {"e1000e", "e1000e"},
    {"vmxnet3", "vmxnet3"},
    {"rtl8139", "rtl8139"},
}};

std::string_view device_of(std::string_view model) {
  for (const auto& [name, device] : kModels)
    if (name == model) return device;
  return kModels.front().second;
}

// A comma ends a value of QEMU's options; two stand for one.
std::string escaped(std::string_view value) {
  std::string text;
  for (const char c : value) text.append(c == ',' ? 2 : 1, c);
  return text;
}

void require(const pugi::xml_node& element, std::initializer_list<const char*> attributes) {
  for (const char* attribute : attributes)
    if (!element.attribute(attribute))
      throw model::Error(model::ErrorCode::plugin_failed, "A plugin asks for something that is incomplete",
                         fmt::format("extensions/{}/@{} is missing", element.name(), attribute));
}

std::string socket_in(const pugi::xml_node& element, const char* name) {
  const std::string socket = fmt::format("{}/{}", element.attribute("directory").value(), name);
  if (socket.size() > sizeof(sockaddr_un::sun_path) - 1)
    throw model::Error(model::ErrorCode::hypervisor_failed, "The server's directory for sockets has too long a path",
                       fmt::format("{} has {} bytes, {} are allowed", socket, socket.size(), sizeof(sockaddr_un::sun_path) - 1));
  return escaped(socket);
}

void append_argument(pugi::xml_node domain, const std::string& value) {
  if (!domain.attribute("xmlns:qemu")) domain.append_attribute("xmlns:qemu") = kNamespace;
  pugi::xml_node list = domain.child(kCommandLine);
  if (!list) list = domain.append_child(kCommandLine);
  list.append_child("qemu:arg").append_attribute("value") = value.c_str();
}

// How many NICs of ours the domain has so far; the next one's number.
int next_number(pugi::xml_node domain) {
  int number = 0;
  for (const pugi::xml_node argument : domain.child(kCommandLine).children())
    if (std::string_view(argument.attribute("value").value()) == "-netdev") ++number;
  if (number >= kMostInterfaces)
    throw model::Error(std::vector<model::Problem>{{"/nics", fmt::format("must have at most {} NICs on sockets or with forwarded ports", kMostInterfaces)}});
  return number;
}

// The NIC in the guest, whose other end is the -netdev of this id.
void append_device(pugi::xml_node domain, const pugi::xml_node& element, const std::string& id, int number) {
  std::string device = fmt::format("{},netdev={},mac={},bus=pcie.0,addr={:#x}", device_of(element.attribute("model").value()), id,
                                   element.attribute("mac").value(), kFirstSlot + number);
  if (const pugi::xml_attribute boot = element.attribute("boot")) device += fmt::format(",bootindex={}", boot.value());
  append_argument(domain, "-device");
  append_argument(domain, device);
}

// Both kinds of end are QEMU's to make, so that the peer may come and go: as a datagram socket it sends to whatever is bound at the
// peer's name, as a stream it listens.
void append_socket_interface(pugi::xml_node domain, const pugi::xml_node& element) {
  require(element, {"mode", "directory", "mac", "model"});
  const int number = next_number(domain);
  const std::string id = fmt::format("socketnet{}", number);
  const std::string guest = socket_in(element, "guest");
  append_argument(domain, "-netdev");
  if (std::string_view(element.attribute("mode").value()) == "stream")
    append_argument(domain, fmt::format("stream,id={},server=on,addr.type=unix,addr.path={}", id, guest));
  else
    append_argument(domain, fmt::format("dgram,id={},local.type=unix,local.path={},remote.type=unix,remote.path={}", id, guest, socket_in(element, "peer")));
  append_device(domain, element, id, number);
}

void append_user_interface(pugi::xml_node domain, const pugi::xml_node& element) {
  require(element, {"mac", "model"});
  const int number = next_number(domain);
  const std::string id = fmt::format("usernet{}", number);
  std::string end = "user,id=" + id;
  for (const pugi::xml_node forward : element.children("forward")) {
    require(forward, {"protocol", "address", "port", "guestPort"});
    end += fmt::format(",hostfwd={}:{}:{}-:{}", forward.attribute("protocol").value(), forward.attribute("address").value(),
                       forward.attribute("port").value(), forward.attribute("guestPort").value());
  }
  append_argument(domain, "-netdev");
  append_argument(domain, end);
  append_device(domain, element, id, number);
}

void append_apple_smc(pugi::xml_node domain, const pugi::xml_node& element) {
  append_argument(domain, "-readconfig");
  append_argument(domain, element.attribute("config").value());
}

}  // namespace

void append_extension(pugi::xml_node domain, pugi::xml_node element) {
  if (std::string_view(domain.attribute("type").value()) == "test") return;
  if (std::string_view(element.name()) == "socketInterface") append_socket_interface(domain, element);
  if (std::string_view(element.name()) == "userInterface") append_user_interface(domain, element);
  if (std::string_view(element.name()) == "appleSmc") append_apple_smc(domain, element);
}

}  // namespace velocity::libvirt
