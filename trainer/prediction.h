// Prediction: the likeliest classes of image files, as evaluation would find them.
#pragma once

#include <string>
#include <vector>

#include "trainer/trained_weights.h"

namespace convoy {

struct PredictionRequest {
  TrainedRequest trained;           // all that they mean are averaged
  std::vector<std::string> images;  // paths of JPEG and PNG files, and of folders of them
  std::string data;  // data set that names the classes; "": as in training, or their numbers
  int best = 5;      // classes of each image, at most
  int threads = 1;
};

struct Prediction {
  struct Class {
    int number = 0;
    std::string name;
    double probability = 0;  // mean of the softmaxes of all views and networks
  };
  std::string image;           // its path
  std::vector<Class> classes;  // the likeliest first, of equal ones the lower number
};

// In the order of the request, those of a folder in byte order of their names. Error(data) for a
// file that is no whole image, or not of the size that the others have where no transform makes
// them alike; Error(config) for another loss than softmax.
std::vector<Prediction> predict(const PredictionRequest& request);

}  // namespace convoy
