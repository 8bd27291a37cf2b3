// convoy synth: a data set to try things with.
#include "data/synth.h"

#include "cluster/environment.h"
#include "ops/core/log.h"
#include "trainer/commands/commands.h"

namespace convoy {

ExitCode synth_command(const Arguments& arguments, Communicator&) {
  SynthOptions synth;
  synth.threads = usable_cores();
  std::string out;
  Options options(
      "convoy synth --out DIR [options]",
      "Draws a labelled data set of simple shapes: JPEG files in one folder per class.\n"
      "The same options give the same files. For a validation split, draw other images\n"
      "of the same kind with --first.");
  options.add("out DIR", required_option(out), "folder to write class folders into")
      .add("images N", option(synth.images), "images in all, dealt to the classes in turn")
      .add("size N", option(synth.size), "height and width in pixels")
      .add("classes N", option(synth.classes), "number of classes")
      .add("seed N", option(synth.seed), "of everything that is drawn")
      .add("first N", option(synth.first), "number of the first image")
      .add("threads N", option(synth.threads), "threads that draw");
  if (!options.parse(arguments)) return ExitCode::done;

  synth.output = out;
  synthesise(synth);
  log_info("{} images of {} classes, {}x{} pixels, in {}", synth.images, synth.classes, synth.size,
           synth.size, out);
  return ExitCode::done;
}

}  // namespace convoy
