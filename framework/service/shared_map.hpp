// An ordered map whose copies share what they have in common. The inventory's snapshots are made of it: copying one is a pointer,
// a change costs one chunk and the list of chunks, and a reader keeps its copy for as long as it likes. Included by inventory.hpp.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace velocity::service {

// Keys need operator<. Values are immutable once in the map. One map object is not thread-safe; different copies are.
template <class Key, class Value>
class SharedMap {
 public:
  using Pointer = std::shared_ptr<const Value>;
  using Entry = std::pair<Key, Pointer>;

  std::size_t size() const { return size_; }

  Pointer find(const Key& key) const {
    const auto chunk = chunk_of(key);
    if (chunk == spine().size()) return nullptr;
    const auto& entries = *spine()[chunk];
    const auto entry = lower_bound(entries, key);
    return entry != entries.end() && !(key < entry->first) ? entry->second : nullptr;
  }

  void set(const Key& key, Value value) { set(key, std::make_shared<const Value>(std::move(value))); }

  void set(const Key& key, Pointer value) {
    Spine next = spine();
    if (next.empty()) next.push_back(std::make_shared<const Chunk>());
    const auto index = std::min(chunk_of(key), next.size() - 1);
    Chunk entries = *next[index];
    const auto entry = lower_bound(entries, key);
    if (entry != entries.end() && !(key < entry->first)) {
      entry->second = std::move(value);
    } else {
      entries.insert(entry, Entry(key, std::move(value)));
      ++size_;
    }
    if (entries.size() > kMaxChunk) {
      const auto middle = entries.begin() + static_cast<std::ptrdiff_t>(entries.size() / 2);
      next.insert(next.begin() + static_cast<std::ptrdiff_t>(index) + 1, std::make_shared<const Chunk>(middle, entries.end()));
      entries.erase(middle, entries.end());
    }
    next[index] = std::make_shared<const Chunk>(std::move(entries));
    spine_ = std::make_shared<const Spine>(std::move(next));
  }

  void erase(const Key& key) {
    const auto index = chunk_of(key);
    if (index == spine().size()) return;
    Chunk entries = *spine()[index];
    const auto entry = lower_bound(entries, key);
    if (entry == entries.end() || key < entry->first) return;
    entries.erase(entry);
    --size_;
    Spine next = spine();
    if (entries.empty()) next.erase(next.begin() + static_cast<std::ptrdiff_t>(index));
    else next[index] = std::make_shared<const Chunk>(std::move(entries));
    spine_ = std::make_shared<const Spine>(std::move(next));
  }

  // visit(key, pointer) in the order of the keys, beginning at the first key that is not less than `from`; ends when it answers false.
  template <class Visit>
  void visit_from(const Key& from, Visit visit) const {
    const auto& chunks = spine();
    for (auto index = chunk_of(from); index < chunks.size(); ++index)
      for (auto entry = lower_bound(*chunks[index], from); entry != chunks[index]->end(); ++entry)
        if (!visit(entry->first, entry->second)) return;
  }

  template <class Visit>
  void visit_all(Visit visit) const {
    for (const auto& chunk : spine())
      for (const auto& [key, value] : *chunk) visit(key, value);
  }

 private:
  static constexpr std::size_t kMaxChunk = 128;
  using Chunk = std::vector<Entry>;
  using Spine = std::vector<std::shared_ptr<const Chunk>>;  // no chunk is empty but a lone first one

  template <class Entries>
  static auto lower_bound(Entries& entries, const Key& key) {
    return std::lower_bound(entries.begin(), entries.end(), key, [](const Entry& entry, const Key& wanted) { return entry.first < wanted; });
  }

  const Spine& spine() const {
    static const Spine kEmpty;
    return spine_ ? *spine_ : kEmpty;
  }

  // The first chunk whose last key is not less than `key`: where the key is, or the next greater one.
  std::size_t chunk_of(const Key& key) const {
    const auto& chunks = spine();
    const auto chunk = std::lower_bound(chunks.begin(), chunks.end(), key, [](const auto& entries, const Key& wanted) {
      return entries->empty() || entries->back().first < wanted;
    });
    return static_cast<std::size_t>(chunk - chunks.begin());
  }

  std::shared_ptr<const Spine> spine_;
  std::size_t size_ = 0;
};

}  // namespace velocity::service
