// What a call was refused with. Included by the tests of the services.
#pragma once

#include <gtest/gtest.h>

#include <functional>

#include "framework/model/error.hpp"

namespace velocity::test {

inline model::Error refusal_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const model::Error& error) {
    return error;
  }
  ADD_FAILURE() << "nothing was refused";
  return model::Error(model::ErrorCode::server_internal, "nothing was refused");
}

inline model::ErrorCode refusal(const std::function<void()>& work) { return refusal_of(work).code(); }

inline std::string member(const model::Error& error, const std::string& name) {
  for (const auto& [key, value] : error.members())
    if (key == name) return value;
  return {};
}

}  // namespace velocity::test
