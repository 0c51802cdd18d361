"""Graph networks of Jraph."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import jraph

from tests.ecosystem.cases import Tree, model, normal, positive


@model(positive(6))
def convolution(x: Tree) -> Tree:
    """A graph convolution over a path."""
    graph = jraph.GraphsTuple(
        nodes=x[:, None],
        edges=None,
        senders=jnp.array([0, 1, 2, 3]),
        receivers=jnp.array([1, 2, 3, 4]),
        globals=None,
        n_node=jnp.array([6]),
        n_edge=jnp.array([4]),
    )
    return jraph.GraphConvolution(jnp.tanh)(graph).nodes[:, 0]


@model({"nodes": normal(3, 2), "edges": normal(3, 1)})
def message_passing(features: Tree) -> Tree:
    """A graph network that updates edges, nodes and globals.

    https://jraph.readthedocs.io/en/latest/api.html#graphnetwork
    """
    graph = jraph.GraphsTuple(
        nodes=features["nodes"],
        edges=features["edges"],
        senders=jnp.array([0, 1, 2]),
        receivers=jnp.array([1, 2, 0]),
        globals=jnp.ones((1, 1)),
        n_node=jnp.array([3]),
        n_edge=jnp.array([3]),
    )

    def edges(edges: Tree, senders: Tree, receivers: Tree, common: Tree) -> Tree:
        return jnp.tanh(jnp.concatenate([edges * common, senders - receivers], axis=1))

    def nodes(nodes: Tree, sent: Tree, received: Tree, common: Tree) -> Tree:
        return nodes * jnp.sin(received[:, :2]) + common * sent[:, 1:]

    def common(nodes: Tree, edges: Tree, common: Tree) -> Tree:
        return common + nodes.sum(1, keepdims=True) * edges.mean(1, keepdims=True)

    network = jraph.GraphNetwork(edges, nodes, common)
    done = network(graph)
    return {"nodes": done.nodes, "globals": done.globals}


@model(normal(4, 3))
def graph_attention(nodes: Tree) -> Tree:
    """A graph attention layer: softmax over the edges that meet at a node.

    https://jraph.readthedocs.io/en/latest/api.html#gat
    """
    weight = jnp.asarray(normal(3, 2))
    graph = jraph.GraphsTuple(
        nodes=nodes,
        edges=jnp.zeros((5, 1)),
        senders=jnp.array([0, 1, 2, 3, 3]),
        receivers=jnp.array([1, 1, 3, 1, 3]),
        globals=None,
        n_node=jnp.array([4]),
        n_edge=jnp.array([5]),
    )

    def logits(sent: Tree, received: Tree, _: Tree) -> Tree:
        return jax.nn.leaky_relu((sent * received).sum(1, keepdims=True))

    return jraph.GAT(lambda nodes: nodes @ weight, logits)(graph).nodes
