// Memory for the elements of tensors.
#ifndef TR_MEMORY_HPP
#define TR_MEMORY_HPP

#include <cstddef>
#include <memory>

namespace tr {

// Bytes that are not set yet, aligned as vector instructions like it.
std::shared_ptr<void> allocate(std::size_t nbytes);

}  // namespace tr

#endif
