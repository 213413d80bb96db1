// A pool in a directory of its own, and the real qemu-img to make and compare images with. Included by the tests of this folder.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "framework/process/program.hpp"
#include "framework/storage/volumes.hpp"
#include "tests/storage/made_images.hpp"
#include "tests/support/temporary_directory.hpp"

namespace velocity::storage::test {

using velocity::test::TemporaryDirectory;

// Runs qemu-img outside of any sandbox, on files that the tests made themselves; returns its stdout.
inline std::string qemu_img(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "/usr/bin/qemu-img");
  std::string output;
  const auto end = process::Program(arguments, {"LC_ALL=C"}, std::chrono::minutes(1)).run([&](std::string_view text) { output += text; });
  if (!end.success()) throw std::runtime_error(arguments[1] + ": " + end.errors);
  return output;
}

inline nlohmann::json qemu_img_info(const std::filesystem::path& path, ImageFormat format) {
  return nlohmann::json::parse(qemu_img({"info", "--output=json", "-f", format == ImageFormat::qcow2 ? "qcow2" : "raw", path.string()}));
}

// Bytes that neither compress nor repeat, the same at each run.
inline std::string noise(std::size_t size) {
  std::mt19937_64 generator(size);
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(generator());
  return bytes;
}

// The code, as on the wire, of the Error that a call throws; "nothing" when it throws none.
inline std::string code_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const model::Error& error) {
    return std::string(name(error.code()));
  }
  return "nothing";
}

inline std::string code_of_laundering(Volumes& volumes, const std::filesystem::path& source, ImageFacts announced) {
  return code_of([&] { volumes.launder(source, announced, model::ResourceId::random()); });
}

class PoolTest : public testing::Test {
 protected:
  std::filesystem::path pool() const { return directory_.path() / "pool"; }
  std::filesystem::path incoming(const std::string& name) const { return directory_.path() / name; }

  // Nothing but what has a final name is left in the pool.
  void expect_no_leftovers(const Volumes& volumes) const {
    EXPECT_TRUE(std::filesystem::is_empty(pool() / ".work"));
    std::size_t files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(pool())) files += entry.path().filename() != ".work";
    EXPECT_EQ(files, volumes.list().size());
  }

  TemporaryDirectory directory_;
};

}  // namespace velocity::storage::test
