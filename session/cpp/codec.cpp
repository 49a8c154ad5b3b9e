// See codec.hpp.
#include "codec.hpp"

#include <cstring>
#include <system_error>
#include <tsr/tsr.hpp>

#include "paths.hpp"

namespace tr::codec {

namespace {

tsr::DType their(DType dtype) {
    switch (dtype) {
        case DType::INT8: return tsr::DType::INT8;
        case DType::INT32: return tsr::DType::INT32;
        default: return tsr::DType::FP32;
    }
}

DType our(tsr::DType dtype) {
    switch (dtype) {
        case tsr::DType::FP32: return DType::FP32;
        case tsr::DType::INT8: return DType::INT8;
        case tsr::DType::INT32: return DType::INT32;
        default: throw UnsupportedError("dtype: got FP16, expected FP32, INT8 or INT32");
    }
}

tsr::Shape their(const Shape& shape) {
    return {shape.begin(), shape.end()};
}

Shape our(const tsr::Shape& shape) {
    return Shape(std::vector<std::int64_t>(shape.begin(), shape.end()));
}

tsr::TensorView view_of(const Tensor& tensor) {
    return {their(tensor.dtype()), their(tensor.shape()), tensor.data()};
}

// Does what the codec does, with errors of this library.
template <class Action>
auto translated(const std::string& path, Action action) {
    try {
        return action();
    } catch (const tsr::FormatError& error) {
        throw FormatError(error.what());
    } catch (const tsr::UnsupportedError& error) {
        throw UnsupportedError(error.what());
    } catch (const tsr::Error& error) {
        throw TRException(error.what());
    } catch (const std::system_error& error) {
        throw SystemError(path, error.code());
    }
}

}  // namespace

Header header_of(const Tensor& tensor) {
    return translated(
        "", [&] { return tsr::build_header(their(tensor.dtype()), their(tensor.shape())); });
}

Tensor parse(void* data, std::size_t size, std::shared_ptr<const void> owner) {
    const tsr::V1Header header =
        translated("", [&] { return tsr::parse_header(data, size, size); });
    return Tensor::over(static_cast<std::byte*>(data) + Header().size(), our(header.shape),
                        our(header.dtype), std::move(owner));
}

Tensor load(const std::string& path) {
    // The codec's tensor stays, and this library's is over its elements.
    auto loaded =
        std::make_shared<tsr::Tensor>(translated(path, [&] { return tsr::load(path_of(path)); }));
    const Shape shape = our(loaded->shape());
    const DType dtype = our(loaded->dtype());
    void* elements = loaded->data();
    return Tensor::over(elements, shape, dtype, std::move(loaded));
}

void save(const std::string& path, const Tensor& tensor) {
    translated(path, [&] { tsr::save(path_of(path), view_of(tensor)); });
}

}  // namespace tr::codec
