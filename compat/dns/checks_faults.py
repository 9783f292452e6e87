"""What is answered while servers die."""

from world import check, equal, eventually

WEB = ["10.0.0.1", "10.0.0.2"]


@check
def one_node_that_is_left_still_answers(world):
    last = world.nodes[2]
    for node in world.nodes[:2]:
        node.kill()
    for _ in range(20):
        equal(world.dig("web.service.consul", node=last), WEB)
    # Deadlines are the leader's, and there is none: nobody goes critical.
    equal(len(world.dig("SRV", "web.service.consul", node=last)), 2)


@check
def a_node_that_comes_back_answers_with_what_it_knows(world):
    for node in world.nodes[:2]:
        world.cluster.start(node)

    def found():
        try:
            return world.dig("web.service.consul", node=world.nodes[0])
        except AssertionError:
            return "nobody is there yet"

    eventually(found, WEB, "the same as before")
    world.settle()
