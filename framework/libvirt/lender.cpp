#include "framework/libvirt/lender.hpp"

namespace velocity::libvirt {

Lender::Lender(std::string uri, std::shared_ptr<Session> listening, std::shared_ptr<Notices> notices, std::shared_ptr<CallCount> calls)
    : uri_(std::move(uri)), listening_(std::move(listening)), notices_(std::move(notices)), calls_(std::move(calls)) {}

std::shared_ptr<Session> Lender::take() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      auto session = std::move(idle_.back());
      idle_.pop_back();
      return session;
    }
  }
  return std::make_shared<Session>(uri_, Session::Role::calling, notices_, calls_);
}

void Lender::put(std::shared_ptr<Session> session) {
  if (!session->alive()) return;
  const std::lock_guard lock(mutex_);
  if (!closed_) idle_.push_back(std::move(session));
}

std::vector<std::shared_ptr<Session>> Lender::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  return std::exchange(idle_, {});
}

}  // namespace velocity::libvirt
