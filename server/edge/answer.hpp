// What goes back to a client. Made by the forward pool, the uploads and from errors; written by the connection.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "framework/model/error.hpp"
#include "server/edge/request.hpp"

namespace velocity::edge {

class BodySource;

struct Answer {
  unsigned status = 200;
  std::vector<std::pair<std::string, std::string>> fields;
  std::string body;
  std::shared_ptr<BodySource> source;  // where the body comes from instead, when it does not fit into memory

  bool has(std::string_view name) const;
  void set(std::string name, std::string value) { fields.emplace_back(std::move(name), std::move(value)); }
};

// The problem document (server/problem.hpp) with the headers that its status asks for.
Answer problem_answer(const model::Error& error, const std::string& request_id);

// To OPTIONS: what may be sent, and from where (the Fetch standard's "CORS preflight", for configured origins only).
Answer preflight_answer(const Request& request);

// IMF-fixdate (RFC 9110, 5.6.7) of a Unix second.
std::string date_text(std::int64_t second);

// The present one, made once a second.
class HttpDate {
 public:
  const std::string& now();

 private:
  std::int64_t second_ = -1;
  std::string text_;
};

// Status line and header, ready to be sent before answer.body. 204 and 304 have no body and no length.
bool has_body(unsigned status);
std::string header_text(const Answer& answer, const Request& request, bool keep_alive, const std::string& date);

}  // namespace velocity::edge
