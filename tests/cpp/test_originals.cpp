// Files of the original writer, from spec/vectors/original -> what their index says they hold.

#include <doctest/doctest.h>

#include <string>
#include <tsr/tsr.hpp>

namespace {

const std::string originals = SOURCE_DIR "/spec/vectors/original/";

}  // namespace

TEST_CASE("a file of the original writer") {
    const tsr::Tensor weights = tsr::load(originals + "dw_ref_fwd_bwd_fp32.tsr");
    CHECK(weights.dtype() == tsr::DType::FP32);
    CHECK(weights.shape() == tsr::Shape{16, 1, 1, 32});
    CHECK(weights.nbytes() == 2048);
}

TEST_CASE("a file that is not there") {
    CHECK_THROWS_AS(static_cast<void>(tsr::load(originals + "absent.tsr")), std::system_error);
}
