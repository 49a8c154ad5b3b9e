// Tensors <-> the bytes of .tsr files, by the codec of <tsr/tsr.hpp>.
//
// Raises FormatError, UnsupportedError and SystemError, whatever the codec raises.
#ifndef TR_CODEC_HPP
#define TR_CODEC_HPP

#include <array>
#include <cstddef>
#include <memory>
#include <string>

#include "tech_renaissance/tensor.h"

namespace tr::codec {

// What stands before the elements.
using Header = std::array<std::byte, 64>;

Header header_of(const Tensor& tensor);

// The tensor whose file is at `data`, over its elements there; `owner` keeps them.
Tensor parse(void* data, std::size_t size, std::shared_ptr<const void> owner);

Tensor load(const std::string& path);
void save(const std::string& path, const Tensor& tensor);

}  // namespace tr::codec

#endif
