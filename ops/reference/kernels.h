// The reference kernels: one per op. An op added to the list of ops/op.h does not compile until it
// has its line here.
#pragma once

#include <memory>

#include "ops/backend.h"

namespace convoy::reference {

std::unique_ptr<Kernel> make_kernel(const Conv& op, const KernelRequest& request);
std::unique_ptr<Kernel> make_kernel(const LocalConv& op, const KernelRequest& request);
std::unique_ptr<Kernel> make_kernel(const Linear& op, const KernelRequest& request);
std::unique_ptr<Kernel> make_kernel(const Pool& op, const KernelRequest& request);
std::unique_ptr<Kernel> make_kernel(const GlobalPool& op, const KernelRequest& request);
std::unique_ptr<Kernel> make_kernel(const AdaptivePool& op, const KernelRequest& request);
std::unique_ptr<Kernel> make_kernel(const BatchNorm& op, const KernelRequest& request);
std::unique_ptr<Kernel> make_kernel(const Lrn& op, const KernelRequest& request);
std::unique_ptr<Kernel> make_kernel(const Activation& op, const KernelRequest& request);
std::unique_ptr<Kernel> make_kernel(const Softmax& op, const KernelRequest& request);
std::unique_ptr<Kernel> make_kernel(const Dropout& op, const KernelRequest& request);
std::unique_ptr<Kernel> make_kernel(const Add& op, const KernelRequest& request);
std::unique_ptr<Kernel> make_kernel(const Concat& op, const KernelRequest& request);
std::unique_ptr<Kernel> make_kernel(const Flatten& op, const KernelRequest& request);
std::unique_ptr<Kernel> make_kernel(const SoftmaxLoss& op, const KernelRequest& request);
std::unique_ptr<Kernel> make_kernel(const SquaredError& op, const KernelRequest& request);

}  // namespace convoy::reference
