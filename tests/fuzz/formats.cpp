// Fuzz targets of the trainer's own formats: safetensors and the configuration.
#include "tests/data/files.h"
#include "tests/fuzz/target.h"
#include "tests/trainer/temporary_folder.h"
#include "trainer/config.h"
#include "trainer/safetensors.h"

namespace convoy::fuzz {
namespace {

void read_tensors(std::span<const std::byte> input) {
  static const TemporaryFolder folder;
  const auto path = folder.path() / "model.safetensors";
  write_text(path, text_of(input));
  take_or_refuse({ExitCode::data}, [&] {
    const Safetensors file(path);
    std::size_t bytes = 0;
    for (const TensorView& tensor : file.tensors()) {
      expect(tensor.bytes.size() == tensor.shape.elements() * size_of(tensor.dtype),
             "a tensor's bytes are not those of its shape");
      expect(file.find(tensor.name) == &tensor, "two tensors of one name");
      bytes += tensor.bytes.size();
    }
    expect(bytes <= input.size(), "more bytes than the file has");
  });
}

std::vector<std::string> tensor_files() {
  const TemporaryFolder folder;
  const auto path = folder.path() / "model.safetensors";
  const std::vector<float> values{1, 2, 3, 4, 5, 6};
  const auto bytes = std::as_bytes(std::span(values));
  const std::vector<TensorView> tensors{{"a.weight", DType::f32, {2, 3}, bytes},
                                        {"b", DType::f32, {}, bytes.first(4)},
                                        {"c", DType::i32, {4}, bytes.first(16)}};
  write_safetensors(path, tensors, {{"format", "pt"}, {"step", "17"}});
  return {read_file(path)};
}

void read_config(std::span<const std::byte> input) {
  take_or_refuse({ExitCode::config}, [&] {
    const Config config = parse_config(std::string(text_of(input)), "config.yaml");
    const std::string text = to_yaml(config);
    expect(to_yaml(parse_config(text, "config.yaml")) == text,
           "what is printed is read as another configuration");
  });
}

std::vector<std::string> configs() {
  return {
      "name: run\nseed: 7\nepochs: 3\nmodel: {name: resnet20, classes: 10}\n"
      "data:\n  path: data\n  augment:\n    - pad_and_crop: {size: 32, pad: 4}\n    - flip\n"
      "batch: {global: 128, lanes: 4}\n",
      "{data: {path: x, mean: [0.5], std: [0.5], channels: 1, evaluate: [{resize: 8}]}, "
      "optimizer: {name: adamw, lr: 1e-3, groups: [{match: '*.bias', lr_scale: 2}]}, "
      "schedule: {name: step, epochs: [1, 2], factor: 0.5}, model: {name: lenet5}}\n",
      "data: {path: x, augment: [{random_resized_crop: {size: 9, min_area: 0.1}}, "
      "{cutout: {size: 3}}]}\nema: {decay: 0.99}\nsteps: 5\n",
  };
}

}  // namespace

const Target safetensors{"safetensors", read_tensors, tensor_files};
const Target config{"config", read_config, configs};

}  // namespace convoy::fuzz
