// What all reference kernels are made of.
#include "ops/reference/plain_kernel.h"

namespace convoy::reference {

PlainKernel::PlainKernel(const Op& op, const KernelRequest& request) {
  std::vector<Shape> shapes;
  for (const TensorDesc& offered : request.src) {
    require(offered.dtype == DType::f32, ExitCode::config, request.place,
            "input is {}, expected f32: the reference backend computes in no other type",
            name_of(offered.dtype));
    shapes.push_back(offered.shape);
    spec_.src.push_back(plain_desc(offered.shape));
  }
  spec_.dst = plain_desc(output_shape(op, request.place, shapes));
  for (const ParameterSpec& parameter : convoy::parameters(op, shapes)) {
    spec_.parameters.push_back(plain_desc(parameter.shape));
  }
  spec_.prepared.resize(spec_.parameters.size());
  spec_.prepared_backward.resize(spec_.parameters.size());
  spec_.algorithm = "plain loops";
}

}  // namespace convoy::reference
