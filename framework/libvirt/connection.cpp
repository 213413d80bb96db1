#include "framework/libvirt/connection.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <set>
#include <utility>

#include "framework/libvirt/embedded.hpp"
#include "framework/libvirt/host_facts.hpp"
#include "framework/libvirt/states.hpp"

namespace velocity::libvirt {

using model::Error;
using model::ErrorCode;
using std::chrono::steady_clock;

namespace {

constexpr std::chrono::milliseconds kFirstBackOff{100};
constexpr std::chrono::milliseconds kLongestBackOff{5000};
constexpr std::chrono::milliseconds kShortestPing{1000};
constexpr std::chrono::milliseconds kLongestPing{10'000};
// How long closing waits for what still runs. A daemon may never answer; in the embedded driver it is a probe of the host's capabilities,
// which would leave an emulator behind.
constexpr std::chrono::milliseconds kDaemonGrace{2000};
constexpr std::chrono::milliseconds kEmbeddedGrace{10'000};
constexpr std::size_t kCallThreads = 6;  // far fewer than the workers: a hypervisor that hangs must not take them all
constexpr std::size_t kLongCallThreads = 4;
constexpr std::size_t kUpkeepThreads = 4;
constexpr int kMostAskingFacts = 4;  // wait for the first probe to end
constexpr std::chrono::milliseconds kShortestPatience{1000};

// The embedded driver needs up to 3 s to notice that a guest died while nobody looked, and then says so in no event: after a
// connection was made, the list is read again at these times.
constexpr std::chrono::milliseconds kSecondLooks[] = {
    std::chrono::milliseconds(250),  std::chrono::milliseconds(500),   std::chrono::milliseconds(1000), std::chrono::milliseconds(1500),
    std::chrono::milliseconds(2000), std::chrono::milliseconds(2500),  std::chrono::milliseconds(3000), std::chrono::milliseconds(3500),
    std::chrono::milliseconds(5000), std::chrono::milliseconds(10000),
};

std::string text_of(const Error& error) {
  std::string text = error.detail().empty() ? error.message() : error.detail();
  if (text.find("Failed to parse user") != std::string::npos)
    text += "; as root libvirt's QEMU driver wants this system user to exist: useradd --system --user-group --no-create-home libvirt-qemu";
  return text;
}

}  // namespace

Host::Connection::Connection(HostSettings settings, Listener& listener)
    : settings_(std::move(settings)),
      listener_(listener),
      upkeep_(kUpkeepThreads, embedded() ? kEmbeddedGrace : kDaemonGrace),
      calls_(kCallThreads, kDaemonGrace, std::max<std::chrono::milliseconds>(settings_.deadline / 6, kShortestPatience)),
      long_calls_(kLongCallThreads, kDaemonGrace, kLongDeadline) {
  thread_ = std::thread([this] { run(); });
}

Host::Connection::~Connection() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    if (notices_) notices_->stop();
    stop_.notify_all();
  }
  upkeep_.cancel();
  calls_.cancel();
  long_calls_.cancel();
  {
    const std::lock_guard lock(facts_->mutex);
    facts_->closing = true;
    facts_->known.notify_all();
  }
  thread_.join();
}

bool Host::Connection::connected() const {
  const std::lock_guard lock(mutex_);
  return lender_ != nullptr;
}

std::string Host::Connection::why_disconnected() const {
  const std::lock_guard lock(mutex_);
  return lender_ ? std::string() : why_;
}

std::shared_ptr<Lender> Host::Connection::lender() const {
  const std::lock_guard lock(mutex_);
  if (!lender_) throw Error(ErrorCode::hypervisor_unavailable, "The hypervisor is not available", why_);
  return lender_;
}

HostFacts Host::Connection::facts() {
  std::unique_lock lock(facts_->mutex);
  if (!facts_->value && !facts_->failure && facts_->asking < kMostAskingFacts) {
    ++facts_->asking;
    facts_->known.wait_for(lock, settings_.deadline, [this] { return facts_->value || facts_->failure || facts_->closing; });
    --facts_->asking;
  }
  if (facts_->value) return *facts_->value;
  if (facts_->failure) throw Error(*facts_->failure);
  throw Error(ErrorCode::hypervisor_unavailable, "The hypervisor is not available", "it has not been probed yet");
}

void Host::Connection::run() {
  auto back_off = kFirstBackOff;
  for (;;) {
    if (auto link = open()) {
      back_off = kFirstBackOff;
      follow(*link);
      let_go(std::move(*link));
    }
    std::unique_lock lock(mutex_);
    if (stop_.wait_for(lock, back_off, [this] { return stopping_; })) return;
    back_off = std::min(back_off * 2, kLongestBackOff);
  }
}

std::optional<Host::Connection::Link> Host::Connection::open() {
  Link link;
  link.notices = std::make_shared<Notices>();
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return std::nullopt;
    notices_ = link.notices;
  }
  try {
    const std::string uri = embedded() ? prepare_embedded(settings_.root) : settings_.uri;
    link.session = upkeep_.run(settings_.deadline, [uri, notices = link.notices, count = count_] {
      return std::make_shared<Session>(uri, Session::Role::listening, notices, count);
    });
    link.lender = std::make_shared<Lender>(uri, link.session, link.notices, count_);
    take_up(link, upkeep_.run(settings_.deadline, [session = link.session] { return session->list(); }));
    return link;
  } catch (const Error& error) {
    std::string why = text_of(error);
    // An embedded driver that failed once says only this for as long as the process lives: what helps is how it failed first.
    if (embedded() && why.find("state driver is not active") != std::string::npos && tried_) why = why_disconnected();
    tried_ = true;
    lose(why);
  } catch (const std::exception& error) {  // the file system, memory
    lose(error.what());
  }
  let_go(std::move(link));
  return std::nullopt;
}

void Host::Connection::take_up(const Link& link, const std::vector<DomainState>& domains) {
  validated_.clear();
  seen_.clear();
  for (const auto& domain : domains) seen_[domain.id] = domain.runtime.state;
  {
    const std::lock_guard lock(facts_->mutex);
    facts_->failure.reset();
  }
  {
    const std::lock_guard lock(mutex_);
    lender_ = link.lender;
  }
  listener_.connected(domains);
  probe(link);
}

void Host::Connection::lose(const std::string& why) {
  bool news = false;
  {
    const std::lock_guard lock(mutex_);
    news = (lender_ != nullptr || why_ != why) && !stopping_;
    lender_.reset();
    why_ = why;
  }
  {
    // Whoever asks what an absent host can do need not wait.
    const std::lock_guard lock(facts_->mutex);
    facts_->failure = Error(ErrorCode::hypervisor_unavailable, "The hypervisor is not available", why);
    facts_->known.notify_all();
  }
  if (news) listener_.disconnected(why);
}

// Closing talks to the daemon, so it may hang: not on this thread.
void Host::Connection::let_go(Link link) {
  {
    const std::lock_guard lock(mutex_);
    lender_.reset();
  }
  if (!link.session) return;
  std::vector<std::shared_ptr<Session>> idle;
  if (link.lender) idle = link.lender->close();
  upkeep_.post([session = std::move(link.session), lender = std::move(link.lender), idle = std::move(idle)]() mutable {
    idle.clear();
    lender.reset();
    session.reset();
  });
}

void Host::Connection::follow(const Link& link) {
  const auto begin = steady_clock::now();
  const auto between_pings = std::clamp<std::chrono::milliseconds>(settings_.deadline / 3, kShortestPing, kLongestPing);
  auto next_ping = begin + between_pings;
  std::size_t look = 0;
  while (!link.notices->stopped()) {
    const bool looking = look < std::size(kSecondLooks);
    const auto next_look = looking ? begin + kSecondLooks[look] : steady_clock::time_point::max();
    const auto notice = link.notices->wait_until(std::min(next_ping, next_look));
    if (notice && notice->kind == Notice::Kind::lost) return lose(notice->why);
    if (notice && notice->kind == Notice::Kind::devices) {
      listener_.host_devices_changed();
    } else if (notice) {
      tell(link, *notice);
    } else if (steady_clock::now() >= next_look) {
      ++look;
      compare(link);
    } else if (steady_clock::now() >= next_ping) {
      if (link.session->has_daemon()) check_daemon(link);
      next_ping = steady_clock::now() + between_pings;
    }
  }
}

// Nothing when there was no answer. A session that kept us waiting to the deadline is still in use by that call, and so is given up.
template <class Work>
auto Host::Connection::ask(const Link& link, Work work) -> std::optional<std::invoke_result_t<Work, Session&>> {
  try {
    return upkeep_.run(settings_.deadline, [session = link.session, work] { return work(*session); });
  } catch (const Error& error) {
    if (error.code() == ErrorCode::hypervisor_not_found) throw;
    if (error.code() == ErrorCode::hypervisor_timeout) link.notices->push({Notice::Kind::lost, {}, 0, 0, "libvirt does not answer"});
    return std::nullopt;
  }
}

void Host::Connection::check_daemon(const Link& link) {
  ask(link, [](Session& session) {
    session.ping();
    return true;
  });
}

// Events are a complete sequence from before the first list on, so telling them in order ends at the truth, also where the list was
// already ahead of them.
void Host::Connection::tell(const Link& link, const Notice& notice) {
  const auto runtime = runtime_after(notice.event, notice.detail);
  if (runtime) report({notice.id, *runtime});
  // A domain that ends may have been transient, and an undefined one may still run.
  if (!runtime || runtime->state == model::MachineState::STOPPED) look_again(link, notice.id);
}

void Host::Connection::look_again(const Link& link, model::MachineId id) {
  try {
    const auto runtime = ask(link, [id](Session& session) { return session.state(id); });
    const auto known = seen_.find(id);
    if (runtime && (known == seen_.end() || known->second != runtime->state)) report({id, *runtime});
  } catch (const Error&) {  // not found
    report_removed(id);
  }
}

void Host::Connection::compare(const Link& link) {
  const auto domains = ask(link, [](Session& session) { return session.list(); });
  if (!domains) return;
  std::set<model::MachineId> gone;
  for (const auto& [id, state] : seen_) gone.insert(id);
  for (const auto& domain : *domains) {
    gone.erase(domain.id);
    const auto known = seen_.find(domain.id);
    if (known == seen_.end() || known->second != domain.runtime.state) report(domain);
  }
  for (const auto id : gone) report_removed(id);
}

void Host::Connection::report(const DomainState& domain) {
  seen_[domain.id] = domain.runtime.state;
  listener_.changed(domain);
}

void Host::Connection::report_removed(model::MachineId id) {
  if (seen_.erase(id) != 0) listener_.removed(id);
}

void Host::Connection::probe(const Link& link) {
  upkeep_.post([lender = link.lender, facts = facts_, settings = settings_, embedded = embedded()] {
    std::optional<HostFacts> value;
    std::optional<Error> failure;
    try {
      value = lender->with([&](Session& session) { return probe_host(session, settings, embedded); });
    } catch (const Error& error) {
      failure = error;
    } catch (const std::exception& error) {
      failure = Error(ErrorCode::hypervisor_failed, "The hypervisor could not be probed", error.what());
    }
    const std::lock_guard lock(facts->mutex);
    if (value) facts->value = std::move(value);
    facts->failure = std::move(failure);
    facts->known.notify_all();
  });
}

}  // namespace velocity::libvirt
