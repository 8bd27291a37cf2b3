// Packing and verifying: the same bytes for any number of threads, original files kept, everything
// unusual told.
#include "data/pack.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <set>

#include "data/dataset.h"
#include "data/image.h"
#include "data/inspect.h"
#include "data/jpeg.h"
#include "data/verify.h"
#include "tests/data/pack_fixture.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;
using test::Pack;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

TEST_F(Pack, KeepsTheOriginalBytes) {
  write_class_folders(folders);
  const PackReport report = pack_folders();
  EXPECT_EQ(report.samples, 5u);
  EXPECT_EQ(report.classes, 2);
  EXPECT_EQ(report.shards, 1);
  EXPECT_EQ(report.bytes, fs::file_size(output / "train-00000-of-00001.h5"));
  EXPECT_THAT(report.events, IsEmpty());

  const Dataset dataset(output, "train");
  const auto originals = contents(folders);
  std::set<std::string> seen;
  std::vector<std::byte> buffer;
  ImageDecoder decoder;
  for (std::uint64_t i = 0; i < dataset.size(); ++i) {
    const std::string name(dataset.name(i));
    const Sample sample = dataset.sample(i);
    const auto bytes = dataset.read(i, buffer);
    EXPECT_EQ(text_of(bytes), originals.at(name)) << name;
    EXPECT_EQ(dataset.class_names()[static_cast<std::size_t>(sample.label)],
              name.substr(0, name.find('/')));
    const ImageInfo info = decoder.probe(bytes, name);
    EXPECT_EQ(static_cast<int>(sample.height), info.height);
    EXPECT_EQ(static_cast<int>(sample.width), info.width);
    EXPECT_EQ(sample.channels, info.channels);
    EXPECT_EQ(sample.encoding, info.type == ImageType::png ? Encoding::png : Encoding::jpeg);
    seen.insert(name);
  }
  EXPECT_THAT(seen, SizeIs(5));
}

TEST_F(Pack, SameBytesForAnyNumberOfThreads) {
  for (int i = 0; i < 60; ++i) {
    const auto jpeg = encode_jpeg(noise_image(16 + i, 24, i % 3 == 0 ? 1 : 3, 7u + i), 80);
    write_text(folders / fmt::format("{}/{:03}.jpg", i % 4, i), text_of(jpeg));
  }
  const auto packed = [&](int threads) {
    output = folder.path() / std::to_string(threads);
    pack_folders({.shard_bytes = 20'000, .seed = 5, .threads = threads});
    return contents(output);
  };
  const auto one = packed(1);
  EXPECT_GT(one.size(), 3u);
  EXPECT_TRUE(one == packed(3));
  EXPECT_TRUE(one == packed(7));
}

TEST_F(Pack, MixesTheClassesBySeed) {
  const fs::path images = write_idx(folder.path(), 300);
  const auto order = [&](std::uint64_t seed, bool mix) {
    const TemporaryFolder set;
    pack({.path = images}, {.output = set.path(), .seed = seed, .mix = mix});
    const Dataset dataset(set.path(), "train");
    std::vector<std::string> names;
    for (std::uint64_t i = 0; i < dataset.size(); ++i) {
      EXPECT_EQ(dataset.sample(i).id, i);
      names.emplace_back(dataset.name(i));
    }
    return names;
  };
  const auto plain = order(0, false);
  EXPECT_EQ(plain[299], "some-images-idx3-ubyte[299]");
  EXPECT_EQ(plain, order(1, false));
  EXPECT_EQ(order(1, true), order(1, true));
  EXPECT_NE(order(1, true), order(2, true));
  EXPECT_NE(order(1, true), plain);
  EXPECT_THAT(order(1, true), testing::UnorderedElementsAreArray(plain));
}

TEST_F(Pack, CutsShardsBySize) {
  const fs::path images = write_idx(folder.path(), 100);
  const PackReport report = pack({.path = images}, {.output = output, .shard_bytes = 250});
  EXPECT_EQ(report.shards, 5);  // 1200 bytes, 240 in each
  const Dataset dataset(output, "train");
  EXPECT_EQ(dataset.size(), 100u);
  EXPECT_THAT(dataset.place(99), HasSubstr("train-00004-of-00005.h5[19]"));
  // A shard holds one image at least, however large.
  EXPECT_EQ(pack({.path = images}, {.output = output, .split = "tiny", .shard_bytes = 1}).shards,
            100);
  EXPECT_EQ(Dataset(output, "tiny").size(), 100u);
}

TEST_F(Pack, MeasuresPixels) {
  write_text(folders / "noise/a.png", text_from_hex(colour_png));
  write_text(folders / "noise/b.jpg", text_from_hex(grey_jpeg));
  pack_folders({.threads = 2});
  ImageDecoder decoder;
  std::array<std::vector<double>, 3> values;
  for (const std::string_view hex : {colour_png, grey_jpeg}) {
    Image decoded;
    decoder.decode(from_hex(hex), "", decoded);
    for (std::size_t i = 0; i < decoded.pixels.size(); ++i) {
      if (decoded.channels == 3) values[i % 3].push_back(decoded.pixels[i] / 255.0);
      for (auto& channel : values) {
        if (decoded.channels == 1) channel.push_back(decoded.pixels[i] / 255.0);
      }
    }
  }
  const Dataset dataset(output, "train");
  for (std::size_t c = 0; c < 3; ++c) {
    const double count = static_cast<double>(values[c].size());
    double mean = 0, variance = 0;
    for (const double value : values[c]) mean += value / count;
    for (const double value : values[c]) variance += (value - mean) * (value - mean) / count;
    EXPECT_NEAR(dataset.pixel_mean()[c], mean, 1e-12);
    EXPECT_NEAR(dataset.pixel_std()[c], std::sqrt(variance), 1e-9);
  }
}

TEST_F(Pack, AddsSplitsWithTheSameClasses) {
  write_class_folders(folders);
  pack_folders();
  fs::remove_all(folders / "cat");
  const PackReport report = pack_folders({.split = "val"});
  EXPECT_EQ(report.classes, 2);
  EXPECT_EQ(report.samples, 2u);
  EXPECT_THAT(report.events, ElementsAre(HasSubstr("cat: a class without files")));
  EXPECT_THAT(splits_of(output), ElementsAre("train", "val"));
  EXPECT_EQ(Dataset(output, "val").sample(0).label, 1);
  EXPECT_EQ(Dataset(output, "train").size(), 5u);
  EXPECT_THAT(error({.split = "val"}, ExitCode::usage), HasSubstr("holds a split \"val\" already"));
  class_names = {"dog", "cat"};
  EXPECT_THAT(error({.split = "more"}, ExitCode::usage),
              HasSubstr("its 2 classes are not the 2 asked for"));
  class_names.clear();
  fs::rename(folders / "dog", folders / "wolf");
  EXPECT_THAT(error({.split = "more"}), HasSubstr("wolf: is none of the 2 classes"));
  EXPECT_THAT(splits_of(output), ElementsAre("train", "val"));
}

TEST_F(Pack, TakesImagesWithoutLabels) {
  write_text(folders / "b.jpg", text_from_hex(colour_jpeg));
  write_text(folders / "a.png", text_from_hex(colour_png));
  EXPECT_THAT(pack_folders({.mix = false}).classes, 0);
  const Dataset dataset(output, "train");
  EXPECT_EQ(dataset.classes(), 0);
  EXPECT_EQ(dataset.unlabelled(), 2u);
  EXPECT_EQ(dataset.sample(0).label, -1);
  EXPECT_EQ(dataset.name(1), "b.jpg");
  EXPECT_THAT(verify(output, 1).problems, IsEmpty());
  EXPECT_THAT(describe_dataset(output), HasSubstr("labels     none"));
}

TEST_F(Pack, TellsContentFromName) {
  write_text(folders / "cat/a.JPEG", text_from_hex(colour_png));
  write_text(folders / "cat/b.png", text_from_hex(colour_jpeg));
  const PackReport report = pack_folders({.mix = false});
  EXPECT_THAT(report.events, ElementsAre(HasSubstr("a.JPEG: is a PNG, whatever its name says"),
                                         HasSubstr("b.png: is a JPEG, whatever its name says")));
  const Dataset dataset(output, "train");
  EXPECT_EQ(dataset.sample(0).encoding, Encoding::png);
  EXPECT_EQ(dataset.sample(1).encoding, Encoding::jpeg);
}

TEST_F(Pack, StoresProgressiveAsBaselineAndCmykAsRgb) {
  write_text(folders / "cat/a.jpg", text_from_hex(progressive_jpeg));
  write_text(folders / "cat/b.jpg", text_from_hex(cmyk_jpeg));
  const PackReport report = pack_folders({.mix = false});
  EXPECT_EQ(report.rewritten, 1u);
  EXPECT_EQ(report.recoloured, 1u);
  EXPECT_THAT(report.events, ElementsAre(HasSubstr("cat/a.jpg: a progressive JPEG: stored as base"),
                                         HasSubstr("cat/b.jpg: a CMYK JPEG: stored as PNG")));
  const Dataset dataset(output, "train");
  EXPECT_EQ(dataset.sample(0).encoding, Encoding::jpeg);
  EXPECT_EQ(dataset.sample(1).encoding, Encoding::png);
  EXPECT_EQ(dataset.sample(1).channels, 3);
  ImageDecoder decoder;
  Image image;
  std::vector<std::byte> buffer;
  decoder.decode(dataset.read(0, buffer), "", image);
  EXPECT_EQ(crc32c_of(image), colour_jpeg_crc);
  decoder.decode(dataset.read(1, buffer), "", image);
  EXPECT_EQ(crc32c_of(image), cmyk_jpeg_crc);
  EXPECT_THAT(verify(output, 1).problems, IsEmpty());
}

TEST_F(Pack, ReencodesWhatIsLarger) {
  for (const auto& [name, height, width] :
       {std::tuple{"a", 60, 100}, {"b", 30, 50}, {"c", 100, 40}}) {
    write_text(folders / "cat" / fmt::format("{}.jpg", name),
               text_of(encode_jpeg(noise_image(height, width, 3), 95)));
  }
  const PackReport report = pack_folders({.mix = false, .reencode = {.max_side = 50}});
  EXPECT_EQ(report.reencoded, 2u);
  const Dataset dataset(output, "train");
  const auto size = [&](std::uint64_t i) {
    return std::pair(dataset.sample(i).height, dataset.sample(i).width);
  };
  EXPECT_EQ(size(0), std::pair(30u, 50u));
  EXPECT_EQ(size(1), std::pair(30u, 50u));
  EXPECT_EQ(size(2), std::pair(50u, 20u));
  std::vector<std::byte> buffer;
  EXPECT_EQ(text_of(dataset.read(1, buffer)), contents(folders).at("cat/b.jpg"));
  const std::string described = describe_dataset(output);
  EXPECT_THAT(described, HasSubstr("JPEG reencoded-q90-max50"));
  EXPECT_THAT(described, HasSubstr(R"("max_side": 50, "short_side": 0, "quality": 90)"));
  EXPECT_THAT(verify(output, 1).problems, IsEmpty());

  pack_folders({.split = "short", .mix = false, .reencode = {.short_side = 48, .quality = 60}});
  const Dataset shorter(output, "short");
  EXPECT_EQ(shorter.sample(0).height, 48u);
  EXPECT_EQ(shorter.sample(0).width, 80u);
  EXPECT_EQ(shorter.sample(1).height, 30u);
  EXPECT_EQ(pack_folders({.split = "all", .reencode = {.quality = 60}}).reencoded, 3u);
  EXPECT_THAT(error({.split = "x", .reencode = {.quality = 101}}, ExitCode::usage),
              HasSubstr("JPEG quality 101, expected 1 to 100"));
  EXPECT_THAT(error_of(ExitCode::usage,
                       [&] {
                         pack({.path = write_idx(folder.path(), 3)},
                              {.output = folder.path() / "y", .reencode = {.quality = 60}});
                       }),
              HasSubstr("holds raw pixels, which are not encoded"));
}

TEST_F(Pack, VerifiesWhatIsWhole) {
  write_class_folders(folders);
  pack_folders();
  pack({.path = write_idx(folder.path(), 7)},
       {.output = folder.path() / "digits", .shard_bytes = 30});
  EXPECT_EQ(verify(output, 2).samples, 5u);
  EXPECT_THAT(verify(output, 2).problems, IsEmpty());
  EXPECT_EQ(verify(folder.path() / "digits", 3).samples, 7u);
  EXPECT_THAT(verify(folder.path() / "digits", 3).problems, IsEmpty());
}

TEST_F(Pack, VerifyNamesEveryDamage) {
  const fs::path images = write_idx(folder.path(), 12);
  pack({.path = images}, {.output = output, .shard_bytes = 36, .mix = false});  // 4 shards of 3
  const auto shard = [&](int i) { return output / fmt::format("train-{:05}-of-00004.h5", i); };
  for (const std::size_t image : {4u, 5u}) {
    flip(shard(1), read_file(shard(1)).find(idx_images(12).substr(16 + 12 * image, 12)));
  }
  fs::resize_file(shard(2), 100);
  fs::remove(shard(3));
  const VerifyReport report = verify(output, 2);
  EXPECT_EQ(report.samples, 6u);
  EXPECT_THAT(report.problems,
              ElementsAre(HasSubstr("train-00001-of-00004.h5: its SHA-256 is "),
                          HasSubstr("train-00001-of-00004.h5[1] (some-images-idx3-ubyte[4]): the "
                                    "image is damaged"),
                          HasSubstr("[2] (some-images-idx3-ubyte[5]): the image is damaged"),
                          HasSubstr("train-00002-of-00004.h5: shard cut short: it has 100 bytes"),
                          HasSubstr("train-00003-of-00004.h5: shard missing")));
}

TEST_F(Pack, VerifyCountsLabelsAndDuplicates) {
  write_class_folders(folders);  // cat/a.jpg is dog/b.JPG, cat/b.jpg is cat/old/c.jpeg
  pack_folders({.mix = false});
  fs::remove_all(folders / "cat/old");
  fs::remove(folders / "cat/b.jpg");
  pack_folders({.split = "val", .mix = false});
  const VerifyReport report = verify(output, 2);
  EXPECT_THAT(report.problems, IsEmpty());
  ASSERT_THAT(report.splits, SizeIs(2));
  EXPECT_EQ(report.splits[1].name, "val");
  EXPECT_THAT(report.splits[1].label_histogram, ElementsAre(1, 2));
  EXPECT_EQ(report.splits[0].unlabelled, 0u);
  const Duplicates& duplicates = report.duplicates;
  EXPECT_EQ(duplicates.across, 2u);  // one of each kind of image in val
  EXPECT_EQ(duplicates.within, 3u);
  EXPECT_EQ(duplicates.relabelled, 2u);
  EXPECT_THAT(duplicates.examples, Contains("val-00000-of-00001.h5[1] (dog/a.png): the same image "
                                            "as train-00000-of-00001.h5[3] (dog/a.png)"));
  EXPECT_THAT(duplicates.examples,
              Contains("train-00000-of-00001.h5[4] (dog/b.JPG): the same image as "
                       "train-00000-of-00001.h5[0] (cat/a.jpg), with another label"));
  EXPECT_THAT(describe_dataset(output), HasSubstr("duplicates   3 images are copies"));
  EXPECT_THAT(describe_shard(output / "val-00000-of-00001.h5"),
              HasSubstr("shard 1 of 1 of split val\n  samples    3, from 0 on"));
}

TEST_F(Pack, OpensInH5py) {
  const std::string python = "/usr/bin/env python3";
  const std::string system_python = "/usr/bin/python3";
  const auto runs = [](const std::string& command) { return std::system(command.c_str()) == 0; };
  const std::string quiet = " -c 'import h5py' 2>/dev/null";
  if (!runs(python + quiet) && !runs(system_python + quiet)) GTEST_SKIP() << "needs h5py";
  const fs::path images = write_idx(folder.path(), 12);
  pack({.path = images}, {.output = output, .mix = false});
  const std::string script = R"(
import h5py, sys
f = h5py.File(sys.argv[1] + "/train-00000-of-00001.h5", "r")
o = f["offsets"]
image = f["images"][o[7]:o[8]]
label = f["class_names"][f["labels"][7]].decode()
assert list(image) == [(16 * 7 + p) % 256 for p in range(12)], image
assert label == "1", label
assert f.attrs["format"] == b"convoy-shard/1.0", f.attrs["format"]
assert f.attrs["num_samples"] == 12 and f["sample_ids"][11] == 11
m = h5py.File(sys.argv[1] + "/manifest.h5", "r")
assert m["train/files"][0] == b"train-00000-of-00001.h5" and list(m["train/label_histogram"]) == [4] * 3
)";
  write_text(folder.path() / "check.py", script);
  const std::string arguments =
      fmt::format(" {} {}", (folder.path() / "check.py").string(), output.string());
  EXPECT_TRUE(runs((runs(python + quiet) ? python : system_python) + arguments));
}

}  // namespace
}  // namespace convoy
