// One maker per op: an op of the list without one here does not compile.
#pragma once

#include <memory>

#include "ops/backend.h"
#include "ops/onednn/memory.h"

namespace convoy::onednn {

std::unique_ptr<Kernel> make_kernel(const Conv& op, const KernelRequest& request, Context& context);
std::unique_ptr<Kernel> make_kernel(const Linear& op, const KernelRequest& request,
                                    Context& context);
std::unique_ptr<Kernel> make_kernel(const Pool& op, const KernelRequest& request, Context& context);
std::unique_ptr<Kernel> make_kernel(const GlobalPool& op, const KernelRequest& request,
                                    Context& context);
std::unique_ptr<Kernel> make_kernel(const BatchNorm& op, const KernelRequest& request,
                                    Context& context);
std::unique_ptr<Kernel> make_kernel(const Activation& op, const KernelRequest& request,
                                    Context& context);
std::unique_ptr<Kernel> make_kernel(const Add& op, const KernelRequest& request, Context& context);
std::unique_ptr<Kernel> make_kernel(const Flatten& op, const KernelRequest& request,
                                    Context& context);
std::unique_ptr<Kernel> make_kernel(const SoftmaxLoss& op, const KernelRequest& request,
                                    Context& context);
std::unique_ptr<Kernel> make_kernel(const LocalConv& op, const KernelRequest& request,
                                    Context& context);
std::unique_ptr<Kernel> make_kernel(const AdaptivePool& op, const KernelRequest& request,
                                    Context& context);
std::unique_ptr<Kernel> make_kernel(const Lrn& op, const KernelRequest& request, Context& context);
std::unique_ptr<Kernel> make_kernel(const Softmax& op, const KernelRequest& request,
                                    Context& context);
std::unique_ptr<Kernel> make_kernel(const Dropout& op, const KernelRequest& request,
                                    Context& context);
std::unique_ptr<Kernel> make_kernel(const Concat& op, const KernelRequest& request,
                                    Context& context);
std::unique_ptr<Kernel> make_kernel(const SquaredError& op, const KernelRequest& request,
                                    Context& context);

// Local response normalisation by our own loops.
std::unique_ptr<Kernel> make_strip_lrn(const Lrn& op, const KernelRequest& request,
                                       Context& context);

// Its output is its input under another name: nothing to do where they share their memory.
std::unique_ptr<Kernel> make_alias_kernel(const TensorDesc& src, const TensorDesc& dst);

// Copies from one layout to another, and back in the backward pass.
std::unique_ptr<Kernel> make_reorder_kernel(const TensorDesc& from, const TensorDesc& to,
                                            Context& context);

}  // namespace convoy::onednn
