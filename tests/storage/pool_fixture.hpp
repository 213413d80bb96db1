// A pool in a directory of its own, and the real qemu-img to make and compare images with. Included by the tests of this folder.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "framework/storage/program.hpp"
#include "framework/storage/volumes.hpp"
#include "tests/storage/made_images.hpp"

namespace velocity::storage::test {

class TemporaryDirectory {
 public:
  TemporaryDirectory() : path_((std::filesystem::temp_directory_path() / "velocity-storage-XXXXXX").string()) {
    if (::mkdtemp(path_.data()) == nullptr) throw std::runtime_error("mkdtemp " + path_);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::filesystem::path path() const { return path_; }

 private:
  std::string path_;
};

// Runs qemu-img outside of any sandbox, on files that the tests made themselves; returns its stdout.
inline std::string qemu_img(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "/usr/bin/qemu-img");
  std::string output;
  const auto end = Program(arguments, {"LC_ALL=C"}, std::chrono::minutes(1)).run([&](std::string_view text) { output += text; });
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
