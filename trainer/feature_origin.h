// Feature origin: of which layer of which network the features of a data set are. Their shards say
// it in pack_options (data/shard.h):
//
//   {"features": {"model": "resnet50", "settings": "name: resnet50, ...", "layer": "avgpool",
//                 "images": [3, 224, 224], "weights": SHA-256, "data": fingerprint,
//                 "preparation": "channels: 3, ...", "numerics": text}}
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "data/dataset.h"

namespace convoy {

struct FeatureOrigin {
  std::string model;     // its name
  std::string settings;  // of the model, all of them
  std::string layer;
  std::array<std::int64_t, 3> images{};  // [C, H, W] that the network saw
  std::string weights;                   // SHA-256 of the file that they were in
  std::string data;                      // fingerprint of the images' split
  std::string preparation;               // of the images: see preparation_of()
  std::string numerics;                  // what computed
};

std::string to_json(const FeatureOrigin& origin);

// None for images. Error(data) if the shards do not say it.
std::optional<FeatureOrigin> origin_of(const Dataset& dataset);

// Error(data) unless both data sets hold images, or both features that one network makes of images
// prepared alike.
void require_same_origin(const Dataset& dataset, const Dataset& like);

}  // namespace convoy
