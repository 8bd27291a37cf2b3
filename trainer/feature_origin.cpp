#include "trainer/feature_origin.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "ops/core/check.h"

namespace convoy {
namespace {

using Json = nlohmann::ordered_json;

// What must be alike where two splits belong together.
std::string network_of(const FeatureOrigin& origin) {
  return fmt::format("{} of ({}) for images of {}x{}x{} ({}), weights {}", origin.layer,
                     origin.settings, origin.images[0], origin.images[1], origin.images[2],
                     origin.preparation, origin.weights);
}

}  // namespace

std::string to_json(const FeatureOrigin& origin) {
  return Json{{"features",
               {{"model", origin.model},
                {"settings", origin.settings},
                {"layer", origin.layer},
                {"images", origin.images},
                {"weights", origin.weights},
                {"data", origin.data},
                {"preparation", origin.preparation},
                {"numerics", origin.numerics}}}}
      .dump();
}

std::optional<FeatureOrigin> origin_of(const Dataset& dataset) {
  if (!dataset.holds_features()) return std::nullopt;
  try {
    const Json features = Json::parse(dataset.pack_options()).at("features");
    FeatureOrigin origin;
    features.at("model").get_to(origin.model);
    features.at("settings").get_to(origin.settings);
    features.at("layer").get_to(origin.layer);
    features.at("images").get_to(origin.images);
    features.at("weights").get_to(origin.weights);
    features.at("data").get_to(origin.data);
    features.at("preparation").get_to(origin.preparation);
    features.at("numerics").get_to(origin.numerics);
    return origin;
  } catch (const Json::exception&) {
    fail(ExitCode::data, dataset.place(0),
         "pack_options say '{}', expected of which network the features are",
         dataset.pack_options());
  }
}

void require_same_origin(const Dataset& dataset, const Dataset& like) {
  const auto origin = origin_of(dataset), other = origin_of(like);
  require(origin.has_value() == other.has_value(), ExitCode::data, dataset.place(0),
          "is {}, expected {} as in {}", origin ? "features" : "an image",
          other ? "features" : "an image", like.split());
  if (!origin) return;
  require(network_of(*origin) == network_of(*other), ExitCode::data, dataset.place(0),
          "is of another network than the features of {}: {}; expected {}", like.split(),
          network_of(*origin), network_of(*other));
}

}  // namespace convoy
