// The host's network interfaces that guests can be bridged to, as they come and go. Included by the services of found NICs and the daemon.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace velocity::network {

// How a guest is connected: by a tap that is a port of the bridge, or by a macvtap on the interface.
enum class Joint { bridge, macvtap };

struct Interface {
  std::string name;
  std::string mac;
  Joint joint = Joint::bridge;
  bool up = false;
  int mtu = 0;
  // The same for as long as it is the same thing: the address that the hardware came with, for it may be renamed; a bridge's name, for its
  // address follows its ports.
  std::string key;
  bool operator==(const Interface&) const = default;
};

struct InterfacesSettings {
  // Interfaces that a default route leads through are the host's own way out: offered only when they stand here, by name.
  std::vector<std::string> default_route{};
  // Kinds of virtual links that count as physical ones, as the kernel names them: vlan, veth …
  std::vector<std::string> further_kinds{};
  std::filesystem::path sysfs = "/sys/class/net";  // says which ones are wireless
};

// Bridges, physical interfaces and bonds of the network namespace that the server runs in. Never: what is wireless (an access point accepts
// one address), loopback, guests' taps, ports of a bridge or bond.
//
// Threads: any. Where the kernel cannot be asked, all is as it was last seen and trouble() says why.
class Interfaces {
 public:
  explicit Interfaces(InterfacesSettings settings);  // looks once

  bool look();                          // asks the kernel; whether the list has changed
  // As last seen. Throw Error(network_failed) when nothing ever was: that there are none would be another thing.
  std::vector<Interface> list() const;         // in the order of the keys
  std::vector<std::string> held_back() const;  // by name: the ways out that are not listed
  std::string trouble() const;                 // empty when there is none

 private:
  const InterfacesSettings settings_;
  void require_seen() const;  // with the mutex held

  mutable std::mutex mutex_;
  bool seen_ = false;
  std::vector<Interface> list_;
  std::vector<std::string> held_back_;
  std::string trouble_;
};

// Keeps the list true, in a thread of its own, for as long as it lives: the kernel tells of every change. `changed` is called on that thread
// once at its beginning and after each change of the list.
class InterfaceWatch {
 public:
  InterfaceWatch(Interfaces& interfaces, std::function<void()> changed);
  ~InterfaceWatch();
  InterfaceWatch(const InterfaceWatch&) = delete;
  InterfaceWatch& operator=(const InterfaceWatch&) = delete;

 private:
  class Follower;
  std::unique_ptr<Follower> follower_;
};

}  // namespace velocity::network
