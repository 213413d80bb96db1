#include "framework/store/state_directory.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "framework/model/error.hpp"
#include "tests/support/temporary_directory.hpp"

namespace velocity::store {
namespace {

constexpr auto kPrivate = std::filesystem::perms::owner_all;

TEST(StateDirectory, ItsWholeLayoutIsPrivate) {
  const test::TemporaryDirectory directory;
  const StateDirectory state(directory / "state");
  for (const auto& part : {state.path(), state.pool(), state.incoming(), state.nvram(), state.machines(), state.libvirt(), state.run(), state.console_logs(), state.cache()})
    EXPECT_EQ(std::filesystem::status(part).permissions(), kPrivate) << part;
}

TEST(StateDirectory, ASecondServerIsRefusedUntilTheFirstIsGone) {
  const test::TemporaryDirectory directory;
  {
    const StateDirectory first(directory / "state");
    try {
      const StateDirectory second(directory / "state");
      ADD_FAILURE() << "two servers on one state";
    } catch (const model::Error& error) {
      EXPECT_NE(error.message().find("Another server"), std::string::npos);
    }
  }
  EXPECT_NO_THROW(StateDirectory(directory / "state"));
}

TEST(StateDirectory, AFileInItsPlaceIsRefused) {
  const test::TemporaryDirectory directory;
  std::ofstream(directory / "state") << "x";
  EXPECT_THROW(StateDirectory(directory / "state"), model::Error);
}

TEST(StateDirectory, OneThatOthersCanReadIsMadePrivate) {
  const test::TemporaryDirectory directory;
  std::filesystem::create_directory(directory / "state");
  std::filesystem::permissions(directory / "state", std::filesystem::perms::all);
  const StateDirectory state(directory / "state");
  EXPECT_EQ(std::filesystem::status(state.path()).permissions(), kPrivate);
}

}  // namespace
}  // namespace velocity::store
