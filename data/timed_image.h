// TimedImage: an image whose decoding is timed apart from what is done with its pixels.
#pragma once

#include "data/image.h"
#include "data/loader_times.h"

namespace convoy {

class TimedImage : public ImageSource {
 public:
  TimedImage(ImageSource& image, StageClock& clock, LoaderTimes& times)
      : image_(image), clock_(clock), times_(times) {}
  ImageInfo info() const override { return image_.info(); }
  PixelView read(const Rect& part) override {
    clock_.mark(times_.transform);
    const PixelView view = image_.read(part);
    clock_.mark(times_.decode);
    return view;
  }

 private:
  ImageSource& image_;
  StageClock& clock_;
  LoaderTimes& times_;
};

}  // namespace convoy
