#include "framework/libvirt/storage_pools.hpp"

#include "framework/libvirt/connection.hpp"

namespace velocity::libvirt {

std::vector<StoragePool> StoragePools::list() const {
  if (host_.connection_->embedded()) return {};
  return host_.connection_->call([](Session& session) { return session.storage_pools(); });
}

void StoragePools::create(const std::string& pool, const NewVolume& volume) const {
  host_.connection_->call([pool, volume](Session& session) { session.create_volume(pool, volume); });
}

void StoragePools::remove(const std::string& pool, const std::string& volume) const {
  host_.connection_->call_within(Host::kLongDeadline, [pool, volume](Session& session) { session.remove_volume(pool, volume); });
}

bool StoragePools::has(const std::string& pool, const std::string& volume) const {
  return host_.connection_->call([pool, volume](Session& session) { return session.has_volume(pool, volume); });
}

void StoragePools::resize(const std::string& pool, const std::string& volume, const std::string& format, std::int64_t capacity) const {
  host_.connection_->call([=](Session& session) { session.resize_volume(pool, volume, format, static_cast<std::uint64_t>(capacity)); });
}

void StoragePools::upload(const std::string& pool, const std::string& volume, const std::filesystem::path& from) const {
  host_.connection_->call_within(Host::kLongDeadline, [=](Session& session) { session.upload_volume(pool, volume, from); });
}

void StoragePools::download(const std::string& pool, const std::string& volume, const std::filesystem::path& to, std::uint64_t most) const {
  host_.connection_->call_within(Host::kLongDeadline, [=](Session& session) { session.download_volume(pool, volume, to, most); });
}

}  // namespace velocity::libvirt
