#include "framework/libvirt/connection.hpp"

#include <fmt/format.h>

#include <algorithm>
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
constexpr std::size_t kCallThreads = 16;
constexpr std::size_t kUpkeepThreads = 4;

// The embedded driver needs up to 3 s to notice that a guest died while nobody looked, and then says so in no event: after a
// connection was made, the list is read again at these times.
constexpr std::chrono::milliseconds kSecondLooks[] = {
    std::chrono::milliseconds(250),  std::chrono::milliseconds(500),  std::chrono::milliseconds(1000), std::chrono::milliseconds(1500),
    std::chrono::milliseconds(2000), std::chrono::milliseconds(2500), std::chrono::milliseconds(3000), std::chrono::milliseconds(3500),
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
    : settings_(std::move(settings)), listener_(listener), upkeep_(kUpkeepThreads), calls_(kCallThreads) {
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
  {
    const std::lock_guard lock(facts_->mutex);
    facts_->closing = true;
    facts_->known.notify_all();
  }
  thread_.join();
}

bool Host::Connection::connected() const {
  const std::lock_guard lock(mutex_);
  return session_ != nullptr;
}

std::string Host::Connection::why_disconnected() const {
  const std::lock_guard lock(mutex_);
  return session_ ? std::string() : why_;
}

std::shared_ptr<Session> Host::Connection::session() const {
  const std::lock_guard lock(mutex_);
  if (!session_) throw Error(ErrorCode::hypervisor_unavailable, "The hypervisor is not available", why_);
  return session_;
}

HostFacts Host::Connection::facts() {
  std::unique_lock lock(facts_->mutex);
  facts_->known.wait_for(lock, settings_.deadline, [this] { return facts_->value || facts_->failure || facts_->closing; });
  if (facts_->value) return *facts_->value;
  if (facts_->failure) throw Error(*facts_->failure);
  throw Error(ErrorCode::hypervisor_unavailable, "The hypervisor is not available", "it has not been probed yet");
}

void Host::Connection::run() {
  auto back_off = kFirstBackOff;
  for (;;) {
    if (auto session = open()) {
      back_off = kFirstBackOff;
      follow(session);
      let_go(std::move(session));
    }
    std::unique_lock lock(mutex_);
    if (stop_.wait_for(lock, back_off, [this] { return stopping_; })) return;
    back_off = std::min(back_off * 2, kLongestBackOff);
  }
}

std::shared_ptr<Session> Host::Connection::open() {
  const auto notices = std::make_shared<Notices>();
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return nullptr;
    notices_ = notices;
  }
  std::shared_ptr<Session> session;
  try {
    const std::string uri = embedded() ? prepare_embedded(settings_.root) : settings_.uri;
    session = upkeep_.run(settings_.deadline, [uri, notices, deadline = settings_.deadline, count = count_] {
      return std::make_shared<Session>(uri, deadline, notices, count);
    });
    take_up(session, upkeep_.run(settings_.deadline, [session] { return session->list(); }));
    return session;
  } catch (const Error& error) {
    lose(text_of(error));
    if (session) let_go(std::move(session));
    return nullptr;
  }
}

// Closing talks to the daemon, so it may hang: not on this thread.
void Host::Connection::let_go(std::shared_ptr<Session> session) {
  {
    const std::lock_guard lock(mutex_);
    session_.reset();
  }
  upkeep_.post([session = std::move(session)]() mutable { session.reset(); });
}

void Host::Connection::take_up(const std::shared_ptr<Session>& session, const std::vector<DomainState>& domains) {
  seen_.clear();
  for (const auto& domain : domains) seen_[domain.id] = domain.runtime.state;
  {
    const std::lock_guard lock(mutex_);
    session_ = session;
  }
  listener_.connected(domains);
  probe(session);
}

void Host::Connection::lose(const std::string& why) {
  bool news = false;
  {
    const std::lock_guard lock(mutex_);
    news = (session_ != nullptr || why_ != why) && !stopping_;
    session_.reset();
    why_ = why;
  }
  if (news) listener_.disconnected(why);
}

void Host::Connection::follow(const std::shared_ptr<Session>& session) {
  const auto notices = notices_;  // replaced by this thread only
  const auto begin = steady_clock::now();
  std::size_t look = 0;
  while (!notices->stopped()) {
    const bool looking = look < std::size(kSecondLooks);
    const auto notice = notices->wait_until(looking ? begin + kSecondLooks[look] : steady_clock::now() + std::chrono::hours(1));
    if (notice && notice->kind == Notice::Kind::lost) return lose(notice->why);
    if (notice) {
      tell(session, *notice);
    } else if (looking) {
      ++look;
      compare(session);
    }
  }
}

// Events are a complete sequence from before the first list on, so telling them in order ends at the truth, also where the list was
// already ahead of them.
void Host::Connection::tell(const std::shared_ptr<Session>& session, const Notice& notice) {
  const auto runtime = runtime_after(notice.event, notice.detail);
  if (runtime) report({notice.id, *runtime});
  // A domain that ends may have been transient, and an undefined one may still run.
  if (!runtime || runtime->state == model::MachineState::STOPPED) look_again(session, notice.id);
}

void Host::Connection::look_again(const std::shared_ptr<Session>& session, model::MachineId id) {
  try {
    const auto runtime = upkeep_.run(settings_.deadline, [session, id] { return session->state(id); });
    const auto known = seen_.find(id);
    if (known == seen_.end() || known->second != runtime.state) report({id, runtime});
  } catch (const Error& error) {
    // Anything else ends the connection soon, and the next one lists everything.
    if (error.code() == ErrorCode::hypervisor_not_found) report_removed(id);
  }
}

void Host::Connection::compare(const std::shared_ptr<Session>& session) {
  std::vector<DomainState> domains;
  try {
    domains = upkeep_.run(settings_.deadline, [session] { return session->list(); });
  } catch (const Error&) {
    return;  // as above
  }
  std::set<model::MachineId> gone;
  for (const auto& [id, state] : seen_) gone.insert(id);
  for (const auto& domain : domains) {
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

void Host::Connection::probe(const std::shared_ptr<Session>& session) {
  upkeep_.post([session, facts = facts_, settings = settings_, embedded = embedded()] {
    std::optional<HostFacts> value;
    std::optional<Error> failure;
    try {
      value = probe_host(*session, settings, embedded);
    } catch (const Error& error) {
      failure = error;
    }
    const std::lock_guard lock(facts->mutex);
    if (value) facts->value = std::move(value);
    facts->failure = std::move(failure);
    facts->known.notify_all();
  });
}

}  // namespace velocity::libvirt
