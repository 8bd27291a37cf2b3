// Fuzz targets of encoded images: the border to libjpeg and libpng, in reading and in packing.
#include "data/convert.h"
#include "data/image.h"
#include "tests/data/files.h"
#include "tests/fuzz/target.h"

namespace convoy::fuzz {
namespace {

constexpr std::int64_t most_pixels = 1 << 18;  // larger ones only take time

// A part of an image that is whole has the bits that it has in the whole.
void compare_part(std::span<const std::byte> input, ImageDecoder& decoder, const Image& whole) {
  const Rect part{.top = whole.height / 3,
                  .left = whole.width / 4,
                  .height = (whole.height + 1) / 2,
                  .width = (whole.width + 1) / 2};
  decoder.open(input, "image");
  const PixelView found = decoder.read(part);
  const PixelView expected = part_of(view_of(whole), part);
  expect(found.height == part.height && found.width == part.width, "a part of another size");
  for (int y = 0; y < part.height; ++y) {
    expect(
        std::equal(found.at(y, 0), found.at(y, 0) + part.width * whole.channels, expected.at(y, 0)),
        "a part has other pixels than the whole");
  }
}

void read_image(std::span<const std::byte> input) {
  take_or_refuse({ExitCode::data}, [&] {
    ImageDecoder decoder;
    const ImageInfo info = decoder.probe(input, "image");
    if (std::int64_t{info.height} * info.width > most_pixels) return;
    Image image;
    decoder.decode(input, "image", image);
    expect(
        image.height == info.height && image.width == info.width && image.channels == info.channels,
        "decoded to another size than probed");
    compare_part(input, decoder, image);
  });
}

// What is stored of an image has the pixels that were seen.
void store_image(std::span<const std::byte> input) {
  take_or_refuse({ExitCode::data}, [&] {
    ImageDecoder decoder;
    if (sniff(input) == ImageType::png) {
      const ImageInfo info = decoder.probe(input, "image");
      if (std::int64_t{info.height} * info.width > most_pixels) return;
    }
    Converter converter({});
    const Stored stored = converter.convert(input, "image");
    Image image;
    decoder.decode(stored.bytes, "stored", image);
    expect(image == converter.image(), "what is stored has other pixels");
    expect(image.height == stored.height && image.width == stored.width &&
               image.channels == stored.channels,
           "what is stored has another size");
  });
}

std::vector<std::string> seeds() {
  std::vector<std::string> files;
  for (const std::string_view hex :
       {colour_jpeg, progressive_jpeg, grey_jpeg, cmyk_jpeg, colour_png, one_pixel_gif}) {
    files.push_back(text_from_hex(hex));
  }
  return files;
}

}  // namespace

const Target image{"image", read_image, seeds};
const Target stored_image{"stored_image", store_image, seeds};

}  // namespace convoy::fuzz
