// /u/auth: signing in, renewing and signing out.
#include "server/rest/tables.hpp"
#include "server/rest/wire.hpp"

namespace velocity::rest {
namespace {

constexpr std::size_t kMaxPasswordBytes = 1024;

Answer session(const service::Session& session) { return Answer::json({{"authkey", session.authkey}, {"expires", session.expires}}); }

Answer sign_in(service::Sessions& sessions, Request& request) {
  model::FieldReader fields(request.fields);
  // Not read as a name: one that nobody can have is refused like any other unknown one.
  const auto username = fields.require("username", fields.text("username"));
  const auto password = fields.require("password", fields.text("password", kMaxPasswordBytes));
  fields.finish();
  return session(sessions.sign_in(username, password, request.peer));
}

}  // namespace

std::vector<Route> auth_routes(service::Services services) {
  auto& sessions = services.sessions;
  return {
      {Method::post, "/u/auth", Credential::none, "Sign in: a user's name and password for an authkey", "everybody",
       [&sessions](Request& request) { return sign_in(sessions, request); }},
      {Method::patch, "/u/auth", Credential::key, "Exchange an authkey for a new one; the old one is dead at once",
       "whoever holds the authkey", [&sessions](Request& request) { return session(sessions.renew(request.authkey)); }},
      {Method::remove, "/u/auth", Credential::key, "Sign out: the authkey is dead at once", "whoever holds the authkey",
       [&sessions](Request& request) {
         sessions.sign_out(request.authkey);
         return Answer::empty();
       }},
  };
}

}  // namespace velocity::rest
