#include "framework/network/netlink.hpp"

#include <fmt/format.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <vector>

#include "framework/model/error.hpp"

namespace velocity::network {
namespace {

constexpr std::size_t kReceived = 64U << 10;  // the kernel fills at most 32 KiB at once
constexpr const char* kLook = "The host's network interfaces cannot be looked at";
constexpr int kTries = 5;                     // of a dump that changes under way

model::Error failed(const char* doing, int number, const char* message = kLook) {
  return {model::ErrorCode::network_failed, message,
          fmt::format("rtnetlink: {}: {}", doing, std::generic_category().message(number))};
}

std::size_t aligned(std::size_t size) { return (size + NLMSG_ALIGNTO - 1) / NLMSG_ALIGNTO * NLMSG_ALIGNTO; }

// One datagram of a dump's answer, which holds several messages; true at the dump's end.
bool take_part(Bytes datagram, std::uint32_t sequence, bool& interrupted, const std::function<void(Bytes)>& take) {
  while (datagram.size() >= sizeof(nlmsghdr)) {
    nlmsghdr header{};
    std::memcpy(&header, datagram.data(), sizeof header);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > datagram.size()) throw failed("a message is cut off", EPROTO);
    const Bytes body = datagram.subspan(sizeof header, header.nlmsg_len - sizeof header);
    datagram = datagram.subspan(std::min<std::size_t>(aligned(header.nlmsg_len), datagram.size()));
    if (header.nlmsg_seq != sequence) continue;  // of an earlier question that was given up
    // It changed while it was told: what is said may not fit together.
    if ((header.nlmsg_flags & NLM_F_DUMP_INTR) != 0) interrupted = true;
    if (header.nlmsg_type == NLMSG_DONE) return true;
    if (header.nlmsg_type == NLMSG_ERROR) {
      nlmsgerr error{};
      std::memcpy(&error, body.data(), std::min(sizeof error, body.size()));
      throw failed("a question was refused", -error.error);
    }
    take(body);
  }
  return false;
}

}  // namespace

Netlink::Netlink(std::uint32_t groups) : socket_(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)) {
  if (!socket_) throw failed("socket", errno);
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = groups;
  if (::bind(socket_.number(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) throw failed("bind", errno);
}

void Netlink::dump(std::uint16_t kind, Bytes header, const std::function<void(Bytes)>& take) {
  std::vector<std::byte> buffer(kReceived);
  for (int attempt = 0; attempt < kTries; ++attempt) {
    std::vector<std::byte> question(sizeof(nlmsghdr) + header.size());
    nlmsghdr asked{};
    asked.nlmsg_len = static_cast<std::uint32_t>(question.size());
    asked.nlmsg_type = kind;
    asked.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    asked.nlmsg_seq = ++sequence_;
    std::memcpy(question.data(), &asked, sizeof asked);
    std::memcpy(question.data() + sizeof asked, header.data(), header.size());
    if (::send(socket_.number(), question.data(), question.size(), 0) < 0) throw failed("send", errno);

    std::vector<std::vector<std::byte>> bodies;
    const auto keep = [&](Bytes body) { bodies.emplace_back(body.begin(), body.end()); };
    bool interrupted = false;
    for (bool done = false; !done;) {
      const auto got = ::recv(socket_.number(), buffer.data(), buffer.size(), 0);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) throw failed("recv", got < 0 ? errno : EPIPE);
      done = take_part(Bytes(buffer).first(static_cast<std::size_t>(got)), sequence_, interrupted, keep);
    }
    if (interrupted) continue;
    for (const auto& body : bodies) take(body);
    return;
  }
  throw failed("the answer changes as fast as it is given", EAGAIN);
}

void Netlink::change(std::uint16_t kind, std::uint16_t flags, Bytes body) {
  constexpr const char* kChange = "A guest's network device cannot be made or removed";
  std::vector<std::byte> request(sizeof(nlmsghdr) + body.size());
  nlmsghdr asked{};
  asked.nlmsg_len = static_cast<std::uint32_t>(request.size());
  asked.nlmsg_type = kind;
  asked.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
  asked.nlmsg_seq = ++sequence_;
  std::memcpy(request.data(), &asked, sizeof asked);
  std::memcpy(request.data() + sizeof asked, body.data(), body.size());
  if (::send(socket_.number(), request.data(), request.size(), 0) < 0) throw failed("send", errno, kChange);
  std::vector<std::byte> answer(kReceived);
  for (;;) {
    const auto got = ::recv(socket_.number(), answer.data(), answer.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < static_cast<ssize_t>(sizeof(nlmsghdr) + sizeof(nlmsgerr))) throw failed("recv", got < 0 ? errno : EPROTO, kChange);
    nlmsghdr header{};
    nlmsgerr verdict{};
    std::memcpy(&header, answer.data(), sizeof header);
    std::memcpy(&verdict, answer.data() + sizeof header, sizeof verdict);
    if (header.nlmsg_seq != sequence_ || header.nlmsg_type != NLMSG_ERROR) continue;
    if (verdict.error != 0) throw failed("a change was refused", -verdict.error, kChange);
    return;
  }
}

bool Netlink::drain() {
  std::vector<std::byte> buffer(kReceived);
  bool any = false;
  for (;;) {
    const auto got = ::recv(socket_.number(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got > 0 || (got < 0 && errno == ENOBUFS)) {
      any = true;
    } else if (got == 0 || errno != EINTR) {
      return any;
    }
  }
}

void visit_attributes(Bytes attributes, const std::function<void(std::uint16_t, Bytes)>& take) {
  while (attributes.size() >= sizeof(rtattr)) {
    rtattr attribute{};
    std::memcpy(&attribute, attributes.data(), sizeof attribute);
    if (attribute.rta_len < sizeof attribute || attribute.rta_len > attributes.size()) return;
    take(attribute.rta_type & NLA_TYPE_MASK, attributes.subspan(sizeof attribute, attribute.rta_len - sizeof attribute));
    attributes = attributes.subspan(std::min<std::size_t>(aligned(attribute.rta_len), attributes.size()));
  }
}

std::string text_of(Bytes value) {
  std::string text(reinterpret_cast<const char*>(value.data()), value.size());
  return text.substr(0, text.find('\0'));
}

std::uint32_t number_of(Bytes value) {
  std::uint32_t number = 0;
  if (value.size() >= sizeof number) std::memcpy(&number, value.data(), sizeof number);
  return number;
}

}  // namespace velocity::network
