// Runs graphs with Taskflow. Standard input: `graph NAME NODES EDGES` and a line `FROM TO` for each edge makes one known;
// `run NAME count|order` runs it and is answered with `ns NANOSECONDS`, or `error WHAT` if a node did not run exactly once,
// or, with `order`, ran too early. The traces that bodies leave are those of the Rust peers (trial.rs).

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <taskflow/taskflow.hpp>
#include <utility>
#include <vector>

namespace {

struct alignas(128) Counter {
  std::atomic<std::uint64_t> runs{0};
};

// A counter for each thread that ever ran a node; deque, so that they stay where they are.
std::mutex counters_lock;
std::deque<Counter> counters;

Counter *own_counter() {
  std::lock_guard<std::mutex> guard(counters_lock);
  return &counters.emplace_back();
}

thread_local Counter *counter = nullptr;

struct Graph {
  std::vector<std::pair<std::uint32_t, std::uint32_t>> edges;
  std::vector<std::atomic<std::uint32_t>> marks;
  std::atomic<std::uint32_t> sequence{0};
  std::atomic<bool> in_order{false};
  tf::Taskflow flow;

  explicit Graph(std::size_t nodes) : marks(nodes) {}

  void visit(std::uint32_t node) {
    const auto relaxed = std::memory_order_relaxed;
    const std::uint32_t mark = in_order.load(relaxed) ? sequence.fetch_add(1, relaxed) + 1 : 1;
    marks[node].store(mark, relaxed);
    if (counter == nullptr) {
      counter = own_counter();
    }
    counter->runs.store(counter->runs.load(relaxed) + 1, relaxed);
  }
};

std::unique_ptr<Graph> read_graph() {
  std::size_t nodes = 0, edges = 0;
  std::cin >> nodes >> edges;
  auto graph = std::make_unique<Graph>(nodes);
  std::vector<tf::Task> tasks;
  tasks.reserve(nodes);
  for (std::size_t node = 0; node < nodes; ++node) {
    Graph *of = graph.get();
    tasks.push_back(of->flow.emplace([of, node] { of->visit(static_cast<std::uint32_t>(node)); }));
  }
  graph->edges.resize(edges);
  for (auto &[from, to] : graph->edges) {
    std::cin >> from >> to;
    tasks[from].precede(tasks[to]);
  }
  return graph;
}

std::string run(Graph &graph, tf::Executor &executor, bool in_order) {
  graph.in_order = in_order;
  graph.sequence = 0;
  std::for_each(graph.marks.begin(), graph.marks.end(), [](auto &mark) { mark = 0; });
  std::for_each(counters.begin(), counters.end(), [](auto &each) { each.runs = 0; });
  const auto started = std::chrono::steady_clock::now();
  executor.run(graph.flow).wait();
  const auto took = std::chrono::steady_clock::now() - started;
  std::uint64_t runs = 0;
  std::for_each(counters.begin(), counters.end(), [&](auto &each) { runs += each.runs; });
  for (std::size_t node = 0; node < graph.marks.size(); ++node) {
    if (graph.marks[node] == 0) {
      return "error node " + std::to_string(node) + " did not run";
    }
  }
  if (runs != graph.marks.size()) {
    return "error " + std::to_string(graph.marks.size()) + " nodes ran " + std::to_string(runs) + " times";
  }
  for (const auto &[from, to] : graph.edges) {
    if (in_order && graph.marks[to] <= graph.marks[from]) {
      return "error node " + std::to_string(to) + " ran before node " + std::to_string(from);
    }
  }
  return "ns " + std::to_string(std::chrono::nanoseconds(took).count());
}

}  // namespace

int main(int count, char **arguments) {
  if (count != 2) {
    std::cerr << "the number of threads is missing\n";
    return 2;
  }
  std::ios::sync_with_stdio(false);
  tf::Executor executor(std::stoul(arguments[1]));
  std::map<std::string, std::unique_ptr<Graph>> graphs;
  std::string what, name, how;
  while (std::cin >> what >> name) {
    if (what == "graph") {
      graphs[name] = read_graph();
    } else if (std::cin >> how; graphs.count(name) == 0) {
      std::cout << "error there is no graph " << name << std::endl;
    } else {
      std::cout << run(*graphs[name], executor, how == "order") << std::endl;
    }
  }
}
