// Who asks. Made by Sessions from an authkey, once per request; included by every service.
#pragma once

#include <memory>
#include <utility>

#include "framework/model/user.hpp"

namespace velocity::service {

class Caller {
 public:
  explicit Caller(std::shared_ptr<const model::User> user, const model::AuthkeyHash& authkey = {}) : user_(std::move(user)), authkey_(authkey) {}
  model::Uid uid() const { return user_->uid; }
  const model::User& user() const { return *user_; }
  const model::AuthkeyHash& authkey() const { return authkey_; }  // the key that the request came with
  // The request that the caller may send again (replies.hpp); null when it gave no key for that.
  const std::shared_ptr<const model::Reply>& request() const { return request_; }
  void set_request(std::shared_ptr<const model::Reply> request) { request_ = std::move(request); }
  bool is_root() const { return user_->groups.count(model::kRootGroup) > 0; }
  bool in(model::Gid group) const { return is_root() || user_->groups.count(group) > 0; }  // root is in all
  bool member_of(model::Gid group) const { return user_->groups.count(group) > 0; }        // to the letter

 private:
  std::shared_ptr<const model::User> user_;
  model::AuthkeyHash authkey_;
  std::shared_ptr<const model::Reply> request_;
};

}  // namespace velocity::service
