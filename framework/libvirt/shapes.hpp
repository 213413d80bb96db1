// Which kinds of domain XML libvirt has validated already. Included by this room's host only.
#pragma once

#include <cstddef>
#include <mutex>
#include <set>
#include <string>

namespace velocity::libvirt {

// libvirt reads its whole schema for each validation, which takes ten times as long as all the rest of a definition, and the longer the more
// domains there are, since what it frees lies between what stays. Machines of one kind differ in little that a schema could object to: so each
// shape is validated once.

// The XML without what the core itself writes and keeps in form: identifiers, title, memory, processors, paths of files where such stand, Ethernet addresses.
// Everything else stays, values included. Empty for what is no XML.
std::string shape_of(const std::string& domain_xml);

// Thread-safe. Keeps so many; beyond that it begins anew.
class ValidatedShapes {
 public:
  static constexpr std::size_t kMost = 256;

  bool knows(const std::string& shape) const;  // never the empty one
  void note(std::string shape);
  void clear();  // another libvirt may be there now, with another schema

 private:
  mutable std::mutex mutex_;
  std::set<std::string> shapes_;
};

}  // namespace velocity::libvirt
