// Tensors of float32, int8 and int32 with up to four dimensions, in C order, in memory.
//
// Raises UnsupportedError for what cannot be, FormatError and SystemError for files.
#ifndef TECH_RENAISSANCE_TENSOR_H
#define TECH_RENAISSANCE_TENSOR_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "tech_renaissance/exception.h"

namespace tr {

enum class DType : std::uint8_t { FP32, INT8, INT32 };

// The bytes of one element.
std::size_t itemsize(DType dtype) noexcept;

// "FP32", "INT8" or "INT32".
const char* name(DType dtype) noexcept;

// Where the elements of a tensor are; there is only one place.
struct Device {};
inline constexpr Device CPU{};

// The sizes of a tensor's dimensions. Shape() is that of a single number.
class Shape {
public:
    static constexpr std::size_t max_rank = 4;

    Shape() noexcept = default;

    // Shape(4, 3): a matrix of 4 rows and 3 columns.
    template <class... Sizes, class = std::enable_if_t<(sizeof...(Sizes) > 0) &&
                                                       (std::is_integral_v<Sizes> && ...)>>
    explicit Shape(Sizes... sizes)
        : Shape(std::initializer_list<std::int64_t>{static_cast<std::int64_t>(sizes)...}) {}
    Shape(std::initializer_list<std::int64_t> sizes) { assign(sizes.begin(), sizes.size()); }
    explicit Shape(const std::vector<std::int64_t>& sizes) { assign(sizes.data(), sizes.size()); }

    std::size_t rank() const noexcept { return rank_; }
    // The number of elements.
    std::int64_t numel() const noexcept;
    std::int64_t operator[](std::size_t dimension) const { return sizes_.at(dimension); }
    const std::int64_t* begin() const noexcept { return sizes_.data(); }
    const std::int64_t* end() const noexcept { return sizes_.data() + rank_; }

    // "(4, 3)", and "(4,)" where there is one dimension, as Python writes it.
    std::string to_string() const;

    friend bool operator==(const Shape& a, const Shape& b) noexcept {
        return a.rank_ == b.rank_ && a.sizes_ == b.sizes_;
    }
    friend bool operator!=(const Shape& a, const Shape& b) noexcept { return !(a == b); }

private:
    void assign(const std::int64_t* sizes, std::size_t rank);

    std::array<std::int64_t, max_rank> sizes_{};
    std::size_t rank_ = 0;
};

template <class T>
struct ElementType;
template <>
struct ElementType<float> {
    static constexpr DType dtype = DType::FP32;
};
template <>
struct ElementType<std::int8_t> {
    static constexpr DType dtype = DType::INT8;
};
template <>
struct ElementType<std::int32_t> {
    static constexpr DType dtype = DType::INT32;
};

// A tensor. Copies share its elements, as those of torch do, and cost nothing; clone() does not
// share. The elements live for as long as a tensor that has them does, wherever they are: those
// of a large tensor from a session may be on pages of a file, which nobody else writes meanwhile.
// Several threads may read a tensor; who changes it has to have it alone.
class Tensor {
public:
    // One without elements: its shape is (0,).
    Tensor();

    // Elements that are not set yet.
    static Tensor empty(const Shape& shape, DType dtype = DType::FP32, Device device = CPU);
    static Tensor zeros(const Shape& shape, DType dtype = DType::FP32, Device device = CPU);
    static Tensor ones(const Shape& shape, DType dtype = DType::FP32, Device device = CPU);
    // Raises UnsupportedError where an element cannot have this value.
    static Tensor full(const Shape& shape, double value, DType dtype = DType::FP32,
                       Device device = CPU);
    // A copy of these elements.
    template <class T>
    static Tensor from_vector(const std::vector<T>& elements, const Shape& shape) {
        return copy_of(elements.data(), elements.size(), shape, ElementType<T>::dtype);
    }
    // Elements that are somewhere already, in C order; `owner` keeps them there.
    static Tensor over(void* elements, const Shape& shape, DType dtype,
                       std::shared_ptr<const void> owner);

    DType dtype() const noexcept { return dtype_; }
    const Shape& shape() const noexcept { return shape_; }
    Device device() const noexcept { return CPU; }
    std::int64_t numel() const noexcept { return shape_.numel(); }
    std::size_t nbytes() const noexcept {
        return static_cast<std::size_t>(numel()) * itemsize(dtype_);
    }

    // The elements, one after the other. Raises UnsupportedError where they are none of T.
    template <class T>
    T* data_ptr() {
        check_dtype(ElementType<T>::dtype);
        return static_cast<T*>(elements_);
    }
    template <class T>
    const T* data_ptr() const {
        check_dtype(ElementType<T>::dtype);
        return static_cast<const T*>(elements_);
    }
    void* data() noexcept { return elements_; }
    const void* data() const noexcept { return elements_; }

    // One element: at<float>(row, column). Raises UnsupportedError where there is none.
    template <class T, class... Indices>
    T& at(Indices... indices) {
        const std::initializer_list<std::int64_t> all{static_cast<std::int64_t>(indices)...};
        return data_ptr<T>()[offset(all.begin(), all.size())];
    }
    template <class T, class... Indices>
    const T& at(Indices... indices) const {
        const std::initializer_list<std::int64_t> all{static_cast<std::int64_t>(indices)...};
        return data_ptr<T>()[offset(all.begin(), all.size())];
    }
    template <class T>
    std::vector<T> to_vector() const {
        const T* first = data_ptr<T>();
        return std::vector<T>(first, first + numel());
    }

    // The same elements in another shape, shared.
    Tensor reshape(const Shape& shape) const;
    // A copy that shares nothing.
    Tensor clone() const;

    // Whether dtype and shape are the same, and no element is further from the other's than
    // `tolerance`. NaN is close to nothing, infinity to itself.
    bool is_close(const Tensor& other, double tolerance = 1e-5) const;

    // The elements as text; of a large tensor the first and last ones of each dimension.
    std::string to_string() const;
    // Prints the name, dtype, shape and elements on standard output.
    void print(const std::string& name = "") const;

    // Reads a .tsr file, and writes one, whole or not at all.
    static Tensor from_tsr(const std::string& path);
    void to_tsr(const std::string& path) const;

private:
    static Tensor copy_of(const void* elements, std::size_t count, const Shape& shape, DType dtype);
    void check_dtype(DType dtype) const;
    std::size_t offset(const std::int64_t* indices, std::size_t count) const;

    DType dtype_ = DType::FP32;
    Shape shape_{0};
    void* elements_ = nullptr;
    std::shared_ptr<const void> owner_;
};

}  // namespace tr

#endif
