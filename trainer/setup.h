// Setup: the parts that training and evaluation are put together from alike.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cluster/communicator.h"
#include "data/dataset.h"
#include "data/transform.h"
#include "ops/backend.h"
#include "trainer/config.h"

namespace convoy {

// Version of convoy and its compiler, the backend with its version and instruction set, and how it
// computes: what the bits of a result depend on beside the rest of the configuration.
std::string numerics_of(const std::string& backend, const Config& config);

std::unique_ptr<Backend> make_backend(const Config& config);

// Fills in what the data set knows: classes, mean and standard deviation of pixels. Error(config)
// if the data set has more classes than the model.
void complete(Config& config, const Dataset& train);

// `transforms`, then normalisation by config.mean and config.std, which are known.
Pipeline make_pipeline(const DataConfig& config, const std::vector<Transform>& transforms);

// How evaluation prepares each of the views of a sample that it averages. Error(config) where
// data.evaluate does not end with the center_crop that several crops take the place of.
std::vector<Pipeline> make_views(const Config& config);

// Micro-batches of `rows` of what `pipeline` makes of the data set: [rows, C, H, W].
Shape batch_shape(int rows, const Dataset& dataset, const Pipeline& pipeline);

// Worker threads of this rank for at most `lanes` lanes at once. Collective.
int choose_workers(Communicator& communicator, int wanted, int threads_per_lane, int lanes);

// Error(data) if it has samples without labels: those can be neither trained on nor scored.
void require_labels(const std::string& folder, const Dataset& dataset);

// Error(data) unless both name the same classes in the same order.
void require_same_classes(const std::string& place, const std::vector<std::string>& found,
                          const std::vector<std::string>& expected);

}  // namespace convoy
