#include "framework/libvirt/fragments.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <set>
#include <sstream>
#include <string>
#include <string_view>

#include "framework/libvirt/extensions.hpp"
#include "framework/libvirt/fragment_rules.hpp"
#include "framework/libvirt/guest_devices.hpp"
#include "framework/model/error.hpp"

namespace velocity::libvirt {

namespace {

constexpr std::size_t kLongestFragment = 64U << 10;
constexpr std::size_t kLongestText = 4096;
constexpr std::size_t kLongestWord = 64;
constexpr std::size_t kLongestNumber = 20;
constexpr int kOwnBootPlaces = 2000;  // those of the devices that a type brings itself, before any of the machine's lists

// Where Debian, Fedora and SUSE install firmware: read-only files of the host that hold no secret.
constexpr std::string_view kFirmwareDirectories[] = {
    "/usr/share/OVMF/", "/usr/share/AAVMF/", "/usr/share/edk2/", "/usr/share/qemu/", "/usr/share/qemu-efi-aarch64/", "/usr/share/seabios/"};

bool all_of(std::string_view text, bool (*allowed)(unsigned char)) {
  return std::all_of(text.begin(), text.end(), [allowed](char c) { return allowed(static_cast<unsigned char>(c)); });
}

bool is_word(std::string_view text) {
  return !text.empty() && text.size() <= kLongestWord && all_of(text, [](unsigned char c) {
    return std::isalnum(c) != 0 || std::string_view("._:+-").find(static_cast<char>(c)) != std::string_view::npos;
  });
}

bool is_number(std::string_view text) {
  if (text.empty() || text.size() > kLongestNumber) return false;
  if (text.starts_with("0x")) return text.size() > 2 && all_of(text.substr(2), [](unsigned char c) { return std::isxdigit(c) != 0; });
  return all_of(text, [](unsigned char c) { return std::isdigit(c) != 0; });
}

bool is_text(std::string_view text) {
  return text.size() <= kLongestText && all_of(text, [](unsigned char c) { return c >= 0x20 && c != 0x7f; });
}

bool is_blank(std::string_view text) {
  return all_of(text, [](unsigned char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; });
}

bool is_one_of(std::string_view value, std::string_view literals) {
  while (true) {
    const auto end = literals.find('|');
    if (value == literals.substr(0, end)) return true;
    if (end == std::string_view::npos) return false;
    literals.remove_prefix(end + 1);
  }
}

bool is_plain_path(const std::filesystem::path& path) {
  return path.is_absolute() && path.has_filename() && path.lexically_normal().native() == path.native();
}

// Checks one fragment and copies what passes.
class FragmentCheck {
 public:
  FragmentCheck(const Fragment& fragment, const DomainParts& parts, std::set<std::string>& boot_orders)
      : fragment_(fragment), parts_(parts), boot_orders_(boot_orders) {}

  void merge_into(pugi::xml_node domain) {
    if (fragment_rules(fragment_.section).empty()) refuse(fragment_.section, "there is no such section");
    pugi::xml_document document;
    parse(document);
    const bool extensions = fragment_.section == "extensions";
    const bool many = extensions || fragment_.section == "devices";  // else one element, which bears the section's name
    pugi::xml_document checked;
    pugi::xml_node parent = extensions ? pugi::xml_node(checked) : many ? domain.child("devices") : domain;
    bool any = false;
    for (const pugi::xml_node node : document.children()) {
      if (skippable(node, {})) continue;
      if (!many && node.name() != fragment_.section) refuse(node.name(), "this section holds an element of its own name only");
      if (!many && parent.child(node.name())) refuse(node.name(), "this section was given twice");
      copy(parent, node, node.name());
      any = true;
    }
    for (const pugi::xml_node element : checked.children()) append_extension(domain, element);
    if (!any) refuse(fragment_.section, "the fragment is empty");
  }

 private:
  [[noreturn]] void refuse(std::string_view path, std::string_view why) const {
    const bool within = fragment_.section == "devices" || fragment_.section == "extensions";
    const std::string where = within ? fmt::format("{}/{}", fragment_.section, path) : std::string(path);
    throw model::Error(model::ErrorCode::plugin_failed,
                       fmt::format("The plugin {} asks for something that is not allowed: {}", fragment_.origin, where),
                       fmt::format("{}: {}", where, why));
  }

  void parse(pugi::xml_document& document) const {
    if (fragment_.xml.size() > kLongestFragment) refuse(fragment_.section, "the fragment is too long");
    if (fragment_.xml.find('\0') != std::string::npos) refuse(fragment_.section, "the fragment has a zero byte");
    // Declarations, document types and processing instructions become nodes, so that they can be refused.
    constexpr unsigned kFlags = pugi::parse_default | pugi::parse_fragment | pugi::parse_pi | pugi::parse_doctype | pugi::parse_declaration;
    const auto result = document.load_buffer(fragment_.xml.data(), fragment_.xml.size(), kFlags, pugi::encoding_utf8);
    if (!result) refuse(fragment_.section, fmt::format("the fragment is not XML: {} at byte {}", result.description(), result.offset));
  }

  // White space between elements; refuses what is neither that nor an element.
  bool skippable(const pugi::xml_node& node, const std::string& parent) const {
    if (node.type() == pugi::node_element) return false;
    const bool text = node.type() == pugi::node_pcdata || node.type() == pugi::node_cdata;
    if (text && is_blank(node.value())) return true;
    refuse(parent.empty() ? fragment_.section : parent, text ? "text is not allowed here" : "only elements are allowed");
  }

  void copy(pugi::xml_node parent, const pugi::xml_node& from, const std::string& path) {
    const FragmentRule* rule = find_rule(fragment_.section, path);
    if (rule == nullptr) refuse(path, "the element is not allowed");
    pugi::xml_node to = parent.append_child(from.name());
    for (const pugi::xml_attribute attribute : from.attributes()) {
      const std::string where = fmt::format("{}/@{}", path, attribute.name());
      const std::string_view values = find_values(*rule, attribute.name());
      if (values.empty()) refuse(where, "the attribute is not allowed");
      if (to.attribute(attribute.name())) refuse(where, "the attribute is given twice");
      check(values, attribute.value(), where);
      to.append_attribute(attribute.name()) = attribute.value();
    }
    for (const pugi::xml_node child : from.children()) copy_child(to, child, *rule, path);
    // An element that must have a text must not be without one, and several pieces of text could add up to something else.
    if (!rule->text.empty()) check(rule->text, to.text().get(), path);
    finish(to, path);
  }

  void copy_child(pugi::xml_node to, const pugi::xml_node& child, const FragmentRule& rule, const std::string& path) {
    const bool text = child.type() == pugi::node_pcdata || child.type() == pugi::node_cdata;
    if (text && !rule.text.empty()) {
      if (to.first_child()) refuse(path, "the text is in pieces");
      to.text() = child.value();
      return;
    }
    if (skippable(child, path)) return;
    const std::string below = fmt::format("{}/{}", path, child.name());
    const FragmentRule* child_rule = find_rule(fragment_.section, below);
    if (child_rule != nullptr && !child_rule->repeatable && to.child(child.name())) refuse(below, "the element is given twice");
    copy(to, child, below);
  }

  void check(std::string_view values, std::string_view value, const std::string& path) const {
    if (!allows(values, value)) refuse(path, fmt::format("the value \"{}\" is not allowed", value.substr(0, kLongestText)));
  }

  bool allows(std::string_view values, std::string_view value) const {
    if (values == "@word") return is_word(value);
    if (values == "@number") return is_number(value);
    if (values == "@text") return is_text(value);
    if (values == "@interface") return parts_.allowed_interfaces.contains(std::string(value));
    if (values == "@file") return is_allowed_file(value);
    if (values == "@configuration") return is_plain_path(value) && parts_.allowed_configurations.contains(value);
    if (values == "@directory") return is_plain_path(value) && parts_.allowed_directories.contains(value);
    if (values == "@firmware") return is_allowed_file(value) || is_firmware(value);
    if (values == "@nvram") return value.empty() || value == parts_.nvram.native();
    return is_one_of(value, values);
  }

  bool is_allowed_file(std::string_view value) const {
    const std::filesystem::path path(value);
    return is_plain_path(path) && parts_.allowed_files.contains(path);
  }

  static bool is_firmware(std::string_view value) {
    return is_plain_path(value) && std::any_of(std::begin(kFirmwareDirectories), std::end(kFirmwareDirectories),
                                               [value](std::string_view directory) { return value.starts_with(directory); });
  }

  // What the core adds to, or demands of, single elements.
  void finish(pugi::xml_node element, const std::string& path) {
    if (path == "disk") finish_disk(element);
    if (path == "interface") finish_interface(element);
    // Without the word libvirt would let the guest write to the host's firmware.
    if (path == "os/loader" && !element.attribute("readonly")) refuse(path + "/@readonly", "the firmware must be read only");
    if (path == "os/nvram") {
      if (parts_.nvram.empty()) refuse(path, "this machine has no place for firmware variables");
      element.text() = parts_.nvram.c_str();
    }
    const auto order_of = [&]() -> pugi::xml_attribute {
      if (path == "disk/boot" || path == "interface/boot") return element.attribute("order");
      return path == "socketInterface" || path == "userInterface" ? element.attribute("boot") : pugi::xml_attribute();
    };
    if (auto place = order_of()) {
      if (fragment_.attached) place = place.as_int() + kOwnBootPlaces;
      const std::string order = place.value();
      if (!boot_orders_.insert(order).second) refuse(path + "/@order", fmt::format("boot order {} is given twice", order));
    }
  }

  // A guest on the host's network sends from its own address alone: where we run the hypervisor, its device has a name of ours and is guarded
  // there (service/nic_guards.hpp), and a libvirtd has a filter for it, though for taps only.
  void finish_interface(pugi::xml_node interface) const {
    const std::string_view type = interface.attribute("type").value();
    const pugi::xml_node source = interface.child("source");
    const bool direct = type == "direct";
    if (type == "user") {
      if (source) refuse("interface/source", "user-space NAT has none");
      return;
    }
    if (!source.attribute(direct ? "dev" : "bridge") || source.attribute(direct ? "bridge" : "dev") || (direct && !source.attribute("mode")))
      refuse("interface/source", "must name what the type is bridged to, and nothing else");
    if (!interface.child("mac").attribute("address")) refuse("interface/mac", "a NIC on the host's network must say its address");
    if (parts_.guarding == Guarding::device) {
      int before = 0;
      for (const pugi::xml_node other : interface.parent().children("interface"))
        if (other.child("target")) ++before;
      pugi::xml_node target = interface.append_child("target");
      target.append_attribute("dev") = guest_device_name(parts_.id, before).c_str();
      if (direct) {  // we make the macvtap, see network/macvtap.hpp
        interface.attribute("type") = "ethernet";
        interface.remove_child(source);
        target.append_attribute("managed") = "no";
      }
    } else if (parts_.guarding == Guarding::filter) {
      if (direct)
        throw model::Error(model::ErrorCode::type_unavailable, "On this hypervisor a guest behind a macvtap could send from any address: use a bridge");
      interface.append_child("filterref").append_attribute("filter") = "no-mac-spoofing";
    }
  }

  void finish_disk(pugi::xml_node disk) const {
    pugi::xml_node driver = disk.child("driver");
    // Without a type QEMU would guess the format from the image's content, which the guest writes.
    if (!driver.attribute("type")) refuse("disk/driver/@type", "every disk must say its format");
    if (!driver.attribute("name")) driver.append_attribute("name") = "qemu";
    if (!disk.attribute("type")) disk.append_attribute("type") = "file";
    write_backing(disk);
    const pugi::xml_node source = disk.child("source");
    if (const std::string file = source.attribute("file").value(); parts_.devices.contains(file)) {
      disk.attribute("type") = "block";
      source.attribute("file").set_name("dev");
    }
  }

  // The whole chain down to the empty <backingStore/>, which says that there is no more: libvirt then looks for nothing in the images, whose
  // headers guests could have written.
  void write_backing(pugi::xml_node disk) const {
    pugi::xml_node place = disk.child("backingStore");
    if (!place) place = disk.append_child("backingStore");
    place.remove_attributes();
    place.remove_children();
    const auto chain = parts_.backing.find(std::filesystem::path(disk.child("source").attribute("file").value()));
    if (chain == parts_.backing.end()) return;
    for (const auto& [file, format] : chain->second) {
      place.append_attribute("type") = "file";
      place.append_child("format").append_attribute("type") = format.c_str();
      place.append_child("source").append_attribute("file") = file.c_str();
      place = place.append_child("backingStore");
    }
  }

  const Fragment& fragment_;
  const DomainParts& parts_;
  std::set<std::string>& boot_orders_;
};

}  // namespace

void merge_fragments(pugi::xml_node domain, const DomainParts& parts) {
  std::set<std::string> boot_orders;
  for (const Fragment& fragment : parts.fragments) FragmentCheck(fragment, parts, boot_orders).merge_into(domain);
}

std::vector<std::string> merged_devices(const DomainParts& parts, std::size_t fragment) {
  pugi::xml_document document;
  pugi::xml_node domain = document.append_child("domain");
  pugi::xml_node devices = domain.append_child("devices");
  std::set<std::string> boot_orders;
  std::vector<std::string> wanted;
  for (std::size_t i = 0; i < parts.fragments.size(); ++i) {
    const pugi::xml_node before = devices.last_child();
    FragmentCheck(parts.fragments[i], parts, boot_orders).merge_into(domain);
    if (i != fragment) continue;
    for (pugi::xml_node node = before ? before.next_sibling() : devices.first_child(); node; node = node.next_sibling()) {
      std::ostringstream text;
      node.print(text, "", pugi::format_raw);
      wanted.push_back(std::move(text).str());
    }
  }
  return wanted;
}

}  // namespace velocity::libvirt
