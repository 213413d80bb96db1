#include "framework/network/interfaces.hpp"

#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <thread>

#include "framework/model/error.hpp"
#include "framework/network/links.hpp"
#include "framework/process/descriptor.hpp"

namespace velocity::network {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr std::uint32_t kGroups = RTMGRP_LINK | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
constexpr milliseconds kQuiet{20};          // changes come in bursts: a bridge with its port is five messages
constexpr milliseconds kLongestBurst{300};  // but a host that never rests is looked at too
constexpr milliseconds kRetry{2000};        // when the kernel could not be asked

bool contains(const std::vector<std::string>& list, const std::string& word) { return std::find(list.begin(), list.end(), word) != list.end(); }

bool wireless(const InterfacesSettings& settings, const std::string& name) {
  std::error_code absent;
  return std::filesystem::exists(settings.sysfs / name / "wireless", absent) || std::filesystem::exists(settings.sysfs / name / "phy80211", absent);
}

std::optional<Joint> joint_of(const Link& link, const InterfacesSettings& settings) {
  if (!link.ethernet || link.loopback || link.master != 0 || link.mac.empty()) return std::nullopt;
  if (link.kind == "bridge") return Joint::bridge;
  const bool physical = link.hardware && link.kind.empty();
  if (!physical && link.kind != "bond" && !contains(settings.further_kinds, link.kind)) return std::nullopt;
  return wireless(settings, link.name) ? std::nullopt : std::optional(Joint::macvtap);
}

std::vector<Interface> offered(const std::vector<Link>& links, const std::set<int>& out, const InterfacesSettings& settings) {
  std::map<std::string, Interface> by_key;
  for (const auto& link : links) {
    const auto joint = joint_of(link, settings);
    if (!joint || (out.contains(link.index) && !contains(settings.default_route, link.name))) continue;
    auto key = *joint == Joint::bridge ? "bridge " + link.name : "address " + (link.permanent.empty() ? link.mac : link.permanent);
    // Two with one address can be told apart by their names alone.
    if (by_key.contains(key)) key += ' ' + link.name;
    by_key[key] = {link.name, link.mac, *joint, link.up, link.mtu, key};
  }
  std::vector<Interface> list;
  for (auto& [key, interface] : by_key) list.push_back(std::move(interface));
  return list;
}

}  // namespace

Interfaces::Interfaces(InterfacesSettings settings) : settings_(std::move(settings)) { look(); }

bool Interfaces::look() {
  std::vector<Interface> list;
  std::vector<std::string> held_back;
  try {
    Netlink question;
    const auto links = read_links(question);
    const auto out = ways_out(links, read_default_routes(question));
    list = offered(links, out, settings_);
    for (const auto& link : links)
      if (out.contains(link.index) && !contains(settings_.default_route, link.name)) held_back.push_back(link.name);
  } catch (const model::Error& error) {  // that says nothing of the interfaces: none of them is taken for gone
    const std::lock_guard lock(mutex_);
    trouble_ = error.detail();
    return false;
  }
  const std::lock_guard lock(mutex_);
  trouble_.clear();
  seen_ = true;
  held_back_ = std::move(held_back);
  if (list == list_) return false;
  list_ = std::move(list);
  return true;
}

void Interfaces::require_seen() const {
  if (!seen_) throw model::Error(model::ErrorCode::network_failed, "The host's network interfaces are not known", trouble_);
}

std::vector<Interface> Interfaces::list() const {
  const std::lock_guard lock(mutex_);
  require_seen();
  return list_;
}

std::vector<std::string> Interfaces::held_back() const {
  const std::lock_guard lock(mutex_);
  require_seen();
  return held_back_;
}

std::string Interfaces::trouble() const {
  const std::lock_guard lock(mutex_);
  return trouble_;
}

class InterfaceWatch::Follower {
 public:
  Follower(Interfaces& interfaces, std::function<void()> changed)
      : interfaces_(interfaces), changed_(std::move(changed)), stop_(::eventfd(0, EFD_CLOEXEC)) {
    listen();
    thread_ = std::thread([this] { follow(); });
  }

  ~Follower() {
    const std::uint64_t one = 1;
    while (::write(stop_.number(), &one, sizeof one) < 0 && errno == EINTR) continue;
    thread_.join();
  }

 private:
  void listen() {
    if (!news_) try {
        news_.emplace(kGroups);
      } catch (const model::Error&) {  // tried again; the list has the same trouble and says so
      }
  }

  // A look follows every listening, so that nothing that happens between the two is missed.
  void follow() {
    interfaces_.look();
    changed_();
    while (wait(news_ && interfaces_.trouble().empty() ? milliseconds(-1) : kRetry)) {
      listen();
      const auto burst = Clock::now();
      while (news_ && news_->drain() && Clock::now() - burst < kLongestBurst)
        if (!wait(kQuiet)) return;
      if (interfaces_.look()) changed_();
    }
  }

  // False when it is time to end.
  bool wait(milliseconds time) const {
    std::array<pollfd, 2> events{pollfd{stop_.number(), POLLIN, 0}, pollfd{news_ ? news_->descriptor() : -1, POLLIN, 0}};
    ::poll(events.data(), events.size(), static_cast<int>(time.count()));
    return events[0].revents == 0;
  }

  Interfaces& interfaces_;
  const std::function<void()> changed_;
  const process::Descriptor stop_;
  std::optional<Netlink> news_;
  std::thread thread_;
};

InterfaceWatch::InterfaceWatch(Interfaces& interfaces, std::function<void()> changed)
    : follower_(std::make_unique<Follower>(interfaces, std::move(changed))) {}

InterfaceWatch::~InterfaceWatch() = default;

}  // namespace velocity::network
