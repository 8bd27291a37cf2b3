// TreeSum: the sum of a range of floats over all lanes of all ranks, along the fixed tree, whatever
// the number of ranks.
//
// The range is cut into one slice per rank. Each rank receives, for its slice, the nodes that the
// other ranks hold, adds them in the tree's order, and sends the total to all others: the traffic
// of a reduce-scatter and an all-gather.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "cluster/communicator.h"
#include "cluster/lanes.h"
#include "ops/core/arena.h"

namespace convoy {

// Makes `additions`, in order, over floats [begin, end) of `parts`.
void add_parts(std::span<const Addition> additions, std::span<float* const> parts,
               std::size_t begin, std::size_t end);

class TreeSum {
 public:
  // `parts`: this rank's covering nodes, left to right, where the caller keeps them. `longest`:
  // floats that one sum() may cover.
  TreeSum(Communicator& communicator, int lanes, std::vector<float*> parts, std::size_t longest);

  // Collective. Floats [begin, end) of the last part become the sum over all lanes; those of the
  // other parts are lost.
  void sum(std::size_t begin, std::size_t end);

 private:
  struct Slice {
    std::size_t begin;
    std::size_t end;
    std::size_t count() const { return end - begin; }
  };
  Slice slice_of(int rank, std::size_t begin, std::size_t end) const;
  void exchange_nodes(std::size_t begin, std::size_t end, Slice mine);
  void exchange_totals(std::size_t begin, std::size_t end, Slice mine);

  Communicator& communicator_;
  const std::vector<float*> parts_;
  std::vector<int> owners_;  // the rank that holds each node of the job, left to right
  std::size_t first_ = 0;    // this rank's first node among them
  std::vector<Addition> additions_;
  Arena received_;             // slices of the other ranks' nodes
  std::vector<float*> slice_;  // where my slice of each node lies
  std::vector<Outgoing> out_;
  std::vector<Incoming> in_;
};

}  // namespace convoy
