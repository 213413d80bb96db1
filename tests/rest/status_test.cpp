// From our codes to HTTP's.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include "framework/model/error.hpp"
#include "server/problem.hpp"

namespace velocity {
namespace {

using model::ErrorCode;

TEST(Statuses, EveryCodeButTheServersOwnFailuresIsTheClientsOrSaysWhenToTryAgain) {
  const std::set<ErrorCode> our_fault{
      ErrorCode::machine_hypervisor_failed, ErrorCode::storage_failed,    ErrorCode::hypervisor_refused, ErrorCode::hypervisor_not_found, ErrorCode::network_failed,
      ErrorCode::hypervisor_wrong_state,    ErrorCode::hypervisor_failed, ErrorCode::plugin_failed,      ErrorCode::server_internal};
  for (const auto code : model::all_error_codes()) {
    const int status = server::http_status(code);
    EXPECT_EQ(status == 500, our_fault.count(code) > 0)
        << model::name(code) << " has no row in the table of statuses, or is a 500 that it should not be";
    EXPECT_STRNE(server::http_title(status), "Error") << status << " has no title";
  }
}

TEST(Statuses, TheTableNamesEveryCodeOnce) {
  std::ifstream file(VELOCITY_TEST_SOURCE "/server/problem.cpp");
  const std::string source(std::istreambuf_iterator<char>(file), {});
  for (const auto code : model::all_error_codes()) {
    std::string row = "{ErrorCode::" + std::string(model::name(code)) + ", ";  // enumerators are spelled as on the wire, but for the dot
    std::replace(row.begin(), row.end(), '.', '_');
    const auto first = source.find(row);
    ASSERT_NE(first, std::string::npos) << row;
    EXPECT_EQ(source.find(row, first + 1), std::string::npos) << row << "stands there twice";
  }
}

TEST(Statuses, TooManyAndUnavailableSayWhenToTryAgainAndNothingElseDoes) {
  for (const auto code : model::all_error_codes()) {
    const int status = server::http_status(code);
    EXPECT_EQ(server::retry_after(code) > 0, status == 429 || status == 503) << model::name(code);
  }
}

TEST(Statuses, TheCauseOfA500StaysInside) {
  const auto document = server::problem_document(model::Error(ErrorCode::storage_failed, "the disk", "/dev/sda says no"), "the-id");
  EXPECT_EQ(document.at("request_id"), "the-id");
  EXPECT_EQ(document.dump().find("sda"), std::string::npos);
  EXPECT_EQ(document.dump().find("the disk"), std::string::npos);
}

}  // namespace
}  // namespace velocity
