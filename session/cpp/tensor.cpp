// Tensors and shapes: see tech_renaissance/tensor.h.
#include "tech_renaissance/tensor.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <limits>
#include <locale>
#include <new>
#include <sstream>

#include "codec.hpp"
#include "memory.hpp"

namespace tr {

namespace {

// Of a tensor with more elements, print only the first and last ones of each dimension.
constexpr std::int64_t printed_max = 1000;
constexpr std::int64_t printed_edge = 3;

// As vector instructions like it.
constexpr std::align_val_t alignment{64};

template <class T>
void fill(Tensor& tensor, double value) {
    if constexpr (std::is_integral_v<T>) {
        const bool fits = value >= std::numeric_limits<T>::min() &&
                          value <= std::numeric_limits<T>::max() && std::trunc(value) == value;
        if (!fits) {
            throw UnsupportedError("value: got " + std::to_string(value) + " for elements of " +
                                   name(tensor.dtype()));
        }
    }
    T* elements = tensor.data_ptr<T>();
    std::fill(elements, elements + tensor.numel(), static_cast<T>(value));
}

// Calls a function with a null pointer to the type of the elements.
template <class Action>
auto with_type(DType dtype, Action action) {
    switch (dtype) {
        case DType::INT8: return action(static_cast<std::int8_t*>(nullptr));
        case DType::INT32: return action(static_cast<std::int32_t*>(nullptr));
        default: return action(static_cast<float*>(nullptr));
    }
}

template <class T>
bool are_close(const Tensor& a, const Tensor& b, double tolerance) {
    const T* first = a.data_ptr<T>();
    return std::equal(first, first + a.numel(), b.data_ptr<T>(), [tolerance](T x, T y) {
        const double difference = static_cast<double>(x) - static_cast<double>(y);
        return std::equal_to<T>()(x, y) || std::abs(difference) <= tolerance;
    });
}

// The elements of a tensor as nested lists.
template <class T>
class Printer {
public:
    explicit Printer(const Tensor& tensor)
        : shape_(tensor.shape()), is_long_(count_printed(shape_) > printed_max) {
        stream_.imbue(std::locale::classic());
        print(tensor.data_ptr<T>(), tensor.numel(), 0);
    }

    std::string text() const { return stream_.str(); }

private:
    // Elements, or empty brackets: they take as long.
    static std::int64_t count_printed(const Shape& shape) {
        std::int64_t product = 1;
        for (const std::int64_t size : shape) product *= std::max<std::int64_t>(size, 1);
        return product;
    }

    void print(const T* elements, std::int64_t count, std::size_t dimension) {
        if (dimension == shape_.rank()) {
            stream_ << +*elements;  // int8 is a number, too
            return;
        }
        const std::int64_t size = shape_[dimension];
        const std::int64_t step = size > 0 ? count / size : 0;
        // Rows stand below each other, those of more dimensions with a line between.
        const bool is_innermost = dimension + 1 == shape_.rank();
        const std::string separator = is_innermost
                                          ? ", "
                                          : "," + std::string(shape_.rank() - dimension - 1, '\n') +
                                                std::string(dimension + 1, ' ');
        stream_ << '[';
        for (std::int64_t i = 0; i < size; ++i) {
            if (i > 0) stream_ << separator;
            if (is_long_ && i == printed_edge && size > 2 * printed_edge) {
                stream_ << "..." << separator;
                i = size - printed_edge;
            }
            print(elements + i * step, step, dimension + 1);
        }
        stream_ << ']';
    }

    std::ostringstream stream_;
    const Shape shape_;
    const bool is_long_;
};

}  // namespace

// ------------------------------------------------------------------ dtypes and shapes

std::size_t itemsize(DType dtype) noexcept {
    return dtype == DType::INT8 ? 1 : 4;
}

const char* name(DType dtype) noexcept {
    switch (dtype) {
        case DType::INT8: return "INT8";
        case DType::INT32: return "INT32";
        default: return "FP32";
    }
}

void Shape::assign(const std::int64_t* sizes, std::size_t rank) {
    if (rank > max_rank) {
        throw UnsupportedError("shape: got " + std::to_string(rank) + " dimensions, expected " +
                               std::to_string(max_rank) + " at most");
    }
    // The format has 32 bits for each, and no buffer has more bytes than half the addresses.
    std::int64_t bytes = 4;
    for (std::size_t i = 0; i < rank; ++i) {
        const std::int64_t size = sizes[i];
        if (size < 0 || size > std::numeric_limits<std::int32_t>::max()) {
            throw UnsupportedError("shape: got a dimension of " + std::to_string(size));
        }
        if (size > 0 && bytes > std::numeric_limits<std::ptrdiff_t>::max() / size) {
            throw UnsupportedError("shape: more elements than memory can have");
        }
        bytes *= std::max<std::int64_t>(size, 1);
        sizes_[i] = size;
    }
    rank_ = rank;
}

std::int64_t Shape::numel() const noexcept {
    std::int64_t product = 1;
    for (const std::int64_t size : *this) product *= size;
    return product;
}

std::string Shape::to_string() const {
    std::string text = "(";
    for (std::size_t i = 0; i < rank_; ++i) {
        if (i > 0) text += ", ";
        text += std::to_string(sizes_[i]);
    }
    return text + (rank_ == 1 ? ",)" : ")");
}

// ------------------------------------------------------------------ tensors

std::shared_ptr<void> allocate(std::size_t nbytes) {
    void* memory = ::operator new(nbytes, alignment);
    return {memory, [](void* given) { ::operator delete(given, alignment); }};
}

Tensor::Tensor() = default;

Tensor Tensor::over(void* elements, const Shape& shape, DType dtype,
                    std::shared_ptr<const void> owner) {
    Tensor tensor;
    tensor.dtype_ = dtype;
    tensor.shape_ = shape;
    tensor.elements_ = elements;
    tensor.owner_ = std::move(owner);
    return tensor;
}

Tensor Tensor::empty(const Shape& shape, DType dtype, Device) {
    const std::shared_ptr<void> memory =
        allocate(static_cast<std::size_t>(shape.numel()) * itemsize(dtype));
    return over(memory.get(), shape, dtype, memory);
}

Tensor Tensor::zeros(const Shape& shape, DType dtype, Device device) {
    Tensor tensor = empty(shape, dtype, device);
    if (tensor.nbytes() > 0) std::memset(tensor.elements_, 0, tensor.nbytes());
    return tensor;
}

Tensor Tensor::ones(const Shape& shape, DType dtype, Device device) {
    return full(shape, 1, dtype, device);
}

Tensor Tensor::full(const Shape& shape, double value, DType dtype, Device device) {
    Tensor tensor = empty(shape, dtype, device);
    with_type(dtype,
              [&](auto* type) { fill<std::remove_pointer_t<decltype(type)>>(tensor, value); });
    return tensor;
}

Tensor Tensor::copy_of(const void* elements, std::size_t count, const Shape& shape, DType dtype) {
    if (count != static_cast<std::size_t>(shape.numel())) {
        throw UnsupportedError("shape: got " + shape.to_string() + " for " + std::to_string(count) +
                               " elements");
    }
    Tensor tensor = empty(shape, dtype, CPU);
    if (count > 0) std::memcpy(tensor.elements_, elements, tensor.nbytes());
    return tensor;
}

Tensor Tensor::reshape(const Shape& shape) const {
    if (shape.numel() != numel()) {
        throw UnsupportedError("shape: got " + shape.to_string() + " for one of " +
                               shape_.to_string());
    }
    Tensor tensor = *this;
    tensor.shape_ = shape;
    return tensor;
}

Tensor Tensor::clone() const {
    return copy_of(elements_, static_cast<std::size_t>(numel()), shape_, dtype_);
}

void Tensor::check_dtype(DType dtype) const {
    if (dtype != dtype_) {
        throw UnsupportedError(std::string("dtype: got ") + tr::name(dtype) +
                               ", expected that of the tensor, " + tr::name(dtype_));
    }
}

std::size_t Tensor::offset(const std::int64_t* indices, std::size_t count) const {
    if (count != shape_.rank()) {
        throw UnsupportedError("index: got " + std::to_string(count) + " numbers for a tensor of " +
                               shape_.to_string());
    }
    std::int64_t offset = 0;
    for (std::size_t i = 0; i < count; ++i) {
        if (indices[i] < 0 || indices[i] >= shape_[i]) {
            throw UnsupportedError("index: got " + std::to_string(indices[i]) + " in dimension " +
                                   std::to_string(i) + " of " + shape_.to_string());
        }
        offset = offset * shape_[i] + indices[i];
    }
    return static_cast<std::size_t>(offset);
}

bool Tensor::is_close(const Tensor& other, double tolerance) const {
    if (dtype_ != other.dtype_ || shape_ != other.shape_) return false;
    return with_type(dtype_, [&](auto* type) {
        return are_close<std::remove_pointer_t<decltype(type)>>(*this, other, tolerance);
    });
}

std::string Tensor::to_string() const {
    return with_type(dtype_, [&](auto* type) {
        return Printer<std::remove_pointer_t<decltype(type)>>(*this).text();
    });
}

void Tensor::print(const std::string& title) const {
    std::cout << title << (title.empty() ? "" : ": ") << tr::name(dtype_) << ' '
              << shape_.to_string() << '\n'
              << to_string() << std::endl;
}

Tensor Tensor::from_tsr(const std::string& path) {
    return codec::load(path);
}

void Tensor::to_tsr(const std::string& path) const {
    codec::save(path, *this);
}

}  // namespace tr
