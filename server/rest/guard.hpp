// The one way in and the one way out of every route: reads the request, finds the caller, calls the handler, turns every error into its
// answer. Included by the backend, which feeds it, by the daemon, which makes it, and by what describes the routes.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <spdlog/logger.h>

#include "framework/model/error.hpp"
#include "framework/service/replies.hpp"
#include "framework/service/sessions.hpp"
#include "server/rest/route.hpp"

namespace velocity::rest {

// A request as it comes from the edge, before anything of it was looked at.
struct Incoming {
  Method method = Method::get;
  std::map<std::string, std::string> path;
  std::string query;      // without the '?', still encoded
  std::string_view body;  // borrowed
  std::string content_type;
  std::string authorization;
  std::string idempotency_key;
  std::string id;
  std::string peer;
};

// Immutable once made, so every function is safe from any thread. No exception leaves it.
class Guard {
 public:
  // The methods that one path pattern offers.
  using Offer = std::map<Method, Route>;

  Guard(const service::Sessions& sessions, service::Replies& replies, std::shared_ptr<spdlog::logger> log, std::vector<Route> routes);

  const std::map<std::string, Offer>& offers() const { return offers_; }

  // For a request whose path is of this pattern; a method that is not offered is 405.
  Answer answer(const Offer& offer, Incoming&& incoming) const noexcept;
  Answer unknown_path(const Incoming& incoming) const noexcept;

 private:
  Answer serve(const Route& route, Incoming&& incoming) const;
  Answer serve_once(const Route& route, Request& request, const std::string& key) const;
  Answer not_allowed(const Offer& offer, const Incoming& incoming) const;
  Answer failure(const model::Error& error, const std::string& id) const;
  Answer current_failure(const std::string& id) const;  // of the exception being handled

  const service::Sessions& sessions_;
  service::Replies& replies_;
  std::shared_ptr<spdlog::logger> log_;
  std::map<std::string, Offer> offers_;
};

}  // namespace velocity::rest
