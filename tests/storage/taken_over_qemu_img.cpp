// Stands where qemu-img stands in the sandbox, and does what a qemu-img would do that a hostile image has taken over. The image says which
// at kOrder. Run by the sandbox tests only.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace {

constexpr int kOrder = 1024;
constexpr const char* kVolume = "/out/volume";

std::string order() {
  char text[33] = {};
  const int file = open("/in/image", O_RDONLY);
  if (file < 0 || pread(file, text, 32, kOrder) < 0) return {};
  close(file);
  return text;
}

void write_volume(const std::string& bytes) { std::ofstream(kVolume, std::ios::binary) << bytes; }

// One line for each thing that it can see or do.
void look() {
  for (const auto& entry : std::filesystem::directory_iterator("/")) std::printf("root %s\n", entry.path().c_str());
  for (const auto& entry : std::filesystem::directory_iterator("/in")) std::printf("file %s\n", entry.path().c_str());
  for (const auto& entry : std::filesystem::directory_iterator("/out")) std::printf("file %s\n", entry.path().c_str());
  for (int file = 3; file < 1024; ++file)
    if (fcntl(file, F_GETFD) >= 0) std::printf("descriptor %d\n", file);
  for (char** name = environ; *name != nullptr; ++name) std::printf("environment %s\n", *name);
  auto* interfaces = if_nameindex();
  for (auto* each = interfaces; each != nullptr && each->if_name != nullptr; ++each) std::printf("interface %s\n", each->if_name);
  for (const char* path : {"/in/image", "/in/x", "/usr/lib/x", "/usr/bin/qemu-img", "/usr/bin/x", "/x", "/dev/x", "/dev/shm/x"})
    if (open(path, O_WRONLY | O_CREAT, 0600) >= 0) std::printf("writable %s\n", path);
  if (getpid() > 9) std::printf("a process of the host\n");
  if (unshare(CLONE_NEWUSER) == 0) std::printf("a user namespace of its own\n");
}

[[noreturn]] void stick() {
  write_volume(std::string(1024, 'x'));
  std::printf("    (50.00/100%%)\r");
  std::fflush(stdout);
  for (;;) pause();
}

// A child that lives on, holding all that it was given, and a lock on the image.
void leave_an_orphan() {
  write_volume(std::string(4096, 'x'));
  flock(open("/in/image", O_RDONLY), LOCK_EX);
  if (fork() == 0) {
    setsid();
    for (;;) pause();
  }
}

void link_an_overlay() {
  std::string overlay(256 * 1024, '\0');
  std::ifstream("/in/image", std::ios::binary).read(overlay.data(), static_cast<std::streamsize>(overlay.size()));
  overlay[14] = 4;  // the backing file's name is at 1024
  overlay[19] = 11;
  overlay.replace(1024, 11, "/etc/shadow");
  write_volume(overlay);
}

}  // namespace

int main(int count, char** words) {
  if (count < 2 || std::strcmp(words[1], "--version") == 0 || std::strcmp(words[1], "check") == 0) return 0;
  const auto wanted = order();
  if (wanted == "look") look();
  if (wanted == "stick") stick();
  if (wanted == "orphan") leave_an_orphan();
  if (wanted == "overlay") link_an_overlay();
  if (wanted == "symlink") return symlink("/in/image", kVolume);
  if (wanted == "fifo") return mkfifo(kVolume, 0600);
  if (wanted == "directory") return mkdir(kVolume, 0700);
  if (wanted == "two names") return write_volume(std::string(4096, 'x')), link(kVolume, "/out/second");
  if (wanted == "shorter") write_volume(std::string(512, 'x'));
  if (wanted == "crash") std::abort();
  if (wanted == "fill")
    for (std::ofstream file(kVolume); file << std::string(1 << 20, 'x') << std::flush;) continue;
  if (wanted == "spin")
    for (;;) getpid();
  if (wanted == "talk") {
    for (int i = 0; i < 100000; ++i) std::fprintf(stderr, "a line of an error that goes on and on\n");
    return 1;
  }
  return 0;
}
