// Tensors, shapes and their files.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "tech_renaissance/tensor.h"

#include <doctest/doctest.h>

#include <cstdio>
#include <limits>

#include "tech_renaissance.h"

namespace {

using tr::DType;
using tr::Shape;
using tr::Tensor;
using tr::UnsupportedError;

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

}  // namespace

TEST_CASE("a shape is its sizes") {
    const Shape shape(4, 3);
    CHECK(shape.rank() == 2);
    CHECK(shape[0] == 4);
    CHECK(shape[1] == 3);
    CHECK(shape.numel() == 12);
    CHECK(shape == Shape{4, 3});
    CHECK(shape == Shape(std::vector<std::int64_t>{4, 3}));
    CHECK(shape != Shape(3, 4));
    CHECK(Shape(4) != Shape(4, 0));
    CHECK(Shape().numel() == 1);
    CHECK(Shape(2, 0, 3).numel() == 0);
    CHECK_THROWS_AS(static_cast<void>(shape[4]), std::out_of_range);
}

TEST_CASE("a shape is written as Python writes it") {
    CHECK(Shape().to_string() == "()");
    CHECK(Shape(5).to_string() == "(5,)");
    CHECK(Shape(4, 3).to_string() == "(4, 3)");
    CHECK(Shape(1, 2, 3, 4).to_string() == "(1, 2, 3, 4)");
}

TEST_CASE("shapes that no tensor has are refused") {
    CHECK_THROWS_WITH_AS(Shape(1, 2, 3, 4, 5), "shape: got 5 dimensions, expected 4 at most",
                         UnsupportedError);
    CHECK_THROWS_AS(Shape(-1), UnsupportedError);
    CHECK_THROWS_AS(Shape(std::int64_t{1} << 31), UnsupportedError);
    CHECK_THROWS_AS(Shape(1 << 30, 1 << 30, 1 << 30), UnsupportedError);
    CHECK_THROWS_AS(Shape(1 << 30, 0, 1 << 30, 1 << 30), UnsupportedError);
}

TEST_CASE("tensors are made with values") {
    CHECK(Tensor().numel() == 0);
    CHECK(Tensor().shape() == Shape(0));
    CHECK(Tensor::full(Shape(2, 2), 1.5f).to_vector<float>() ==
          std::vector<float>{1.5f, 1.5f, 1.5f, 1.5f});
    CHECK(Tensor::full(Shape(2), -128, DType::INT8, tr::CPU).to_vector<std::int8_t>() ==
          std::vector<std::int8_t>{-128, -128});
    CHECK(Tensor::ones(Shape(), DType::INT32).at<std::int32_t>() == 1);
    CHECK(Tensor::zeros(Shape(3)).to_vector<float>() == std::vector<float>{0, 0, 0});
    CHECK(Tensor::zeros(Shape(0, 3)).nbytes() == 0);
    const Tensor tensor = Tensor::from_vector<std::int32_t>({1, 2, 3, 4, 5, 6}, Shape(2, 3));
    CHECK(tensor.nbytes() == 24);
    CHECK(tensor.at<std::int32_t>(1, 2) == 6);
    CHECK(tensor.reshape(Shape(3, 2)).at<std::int32_t>(1, 0) == 3);
    CHECK_THROWS_AS(Tensor::from_vector<float>({1}, Shape(2)), UnsupportedError);
    CHECK_THROWS_AS(tensor.reshape(Shape(5)), UnsupportedError);
    CHECK_THROWS_AS(Tensor::full(Shape(1), 1.5, DType::INT8), UnsupportedError);
    CHECK_THROWS_AS(Tensor::full(Shape(1), 128, DType::INT8), UnsupportedError);
    CHECK_THROWS_AS(Tensor::full(Shape(1), not_a_number, DType::INT32), UnsupportedError);
}

TEST_CASE("elements are those of their type, and inside") {
    Tensor tensor = Tensor::zeros(Shape(2, 3));
    tensor.at<float>(1, 2) = 7;
    CHECK(tensor.data_ptr<float>()[5] == 7);
    CHECK_THROWS_WITH_AS(tensor.data_ptr<std::int32_t>(),
                         "dtype: got INT32, expected that of the tensor, FP32", UnsupportedError);
    CHECK_THROWS_AS(tensor.at<float>(1), UnsupportedError);
    CHECK_THROWS_AS(tensor.at<float>(2, 0), UnsupportedError);
    CHECK_THROWS_AS(tensor.at<float>(0, -1), UnsupportedError);
}

TEST_CASE("copies share, clones do not") {
    Tensor tensor = Tensor::zeros(Shape(2));
    const Tensor copy = tensor;
    const Tensor clone = tensor.clone();
    tensor.at<float>(0) = 5;
    CHECK(copy.at<float>(0) == 5);
    CHECK(clone.at<float>(0) == 0);
    tensor = Tensor();
    CHECK(copy.at<float>(0) == 5);
}

TEST_CASE("elements stay for as long as a tensor has them") {
    auto owner = std::make_shared<std::vector<float>>(3, 2.0f);
    const std::weak_ptr<std::vector<float>> watched = owner;
    Tensor tensor = Tensor::over(owner->data(), Shape(3), DType::FP32, owner);
    owner.reset();
    CHECK(tensor.reshape(Shape(3, 1)).at<float>(2, 0) == 2);
    CHECK_FALSE(watched.expired());
    tensor = Tensor();
    CHECK(watched.expired());
}

TEST_CASE("close is within the tolerance") {
    const auto vector = [](std::vector<float> elements) {
        return Tensor::from_vector(elements, Shape(elements.size()));
    };
    CHECK(vector({1, 2}).is_close(vector({1, 2.000001f})));
    CHECK_FALSE(vector({1, 2}).is_close(vector({1, 2.1f})));
    CHECK(vector({1, 2}).is_close(vector({1, 2.1f}), 0.2));
    CHECK(vector({infinity, -infinity}).is_close(vector({infinity, -infinity})));
    CHECK_FALSE(vector({infinity}).is_close(vector({-infinity}), 1e9));
    CHECK_FALSE(vector({not_a_number}).is_close(vector({not_a_number}), 1e9));
    CHECK(vector({0.0f}).is_close(vector({-0.0f}), 0));
    CHECK_FALSE(vector({1, 2}).is_close(vector({1, 2}).reshape(Shape(1, 2))));
    CHECK_FALSE(Tensor::ones(Shape(2)).is_close(Tensor::ones(Shape(2), DType::INT32)));
    CHECK_FALSE(Tensor::full(Shape(1), 2147483647, DType::INT32)
                    .is_close(Tensor::full(Shape(1), -2147483647, DType::INT32), 1));
    CHECK(Tensor().is_close(Tensor()));
}

TEST_CASE("tensors are written as nested lists") {
    CHECK(Tensor::full(Shape(), 1.5).to_string() == "1.5");
    CHECK(Tensor::ones(Shape(2), DType::INT8).to_string() == "[1, 1]");
    CHECK(Tensor::ones(Shape(2, 1)).to_string() == "[[1],\n [1]]");
    CHECK(Tensor::ones(Shape(2, 1, 1)).to_string() == "[[[1]],\n\n [[1]]]");
    CHECK(Tensor::ones(Shape(0, 3)).to_string() == "[]");
    CHECK(Tensor::ones(Shape(2, 0)).to_string() == "[[],\n []]");
    CHECK(Tensor::ones(Shape(2'000'000'000, 0)).to_string() ==
          "[[],\n [],\n [],\n ...,\n [],\n [],\n []]");
    CHECK(Tensor::ones(Shape(0, 2'000'000'000)).to_string() == "[]");
    CHECK(Tensor::from_vector<float>({not_a_number, -infinity}, Shape(2)).to_string() ==
          "[nan, -inf]");
    std::vector<std::int32_t> numbers(2000);
    for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<std::int32_t>(i);
    CHECK(Tensor::from_vector(numbers, Shape(2000)).to_string() ==
          "[0, 1, 2, ..., 1997, 1998, 1999]");
    CHECK(Tensor::from_vector(numbers, Shape(1000, 2)).to_string() ==
          "[[0, 1],\n [2, 3],\n [4, 5],\n ...,\n [1994, 1995],\n [1996, 1997],\n [1998, 1999]]");
}

TEST_CASE("tensors go to files and come from them") {
    const std::string path = "test_tensor.tsr";
    for (const Tensor& tensor :
         {Tensor::full(Shape(4, 3), 1.5), Tensor::full(Shape(), -7, DType::INT8),
          Tensor::full(Shape(1, 2, 3, 4), 1 << 30, DType::INT32), Tensor::zeros(Shape(0, 3))}) {
        tensor.to_tsr(path);
        CHECK(Tensor::from_tsr(path).is_close(tensor, 0));
    }
    std::FILE* file = std::fopen(path.c_str(), "wb");
    std::fputs("no tensor", file);
    std::fclose(file);
    CHECK_THROWS_AS(Tensor::from_tsr(path), tr::FormatError);
    std::remove(path.c_str());
    CHECK_THROWS_AS(Tensor::from_tsr(path), tr::SystemError);
    CHECK_THROWS_AS(Tensor().to_tsr("absent/x.tsr"), tr::SystemError);
}
