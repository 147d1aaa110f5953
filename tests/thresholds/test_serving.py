"""A notebook with other parameters, on loopback alone."""

from __future__ import annotations

import ast
import socket

import pytest

from lesionkit.thresholds.serving import LOOPBACK, free_port, with_parameters


def parameters(notebook) -> dict:
    """Names and values of the parameters cell."""
    (cell,) = (c for c in notebook.cells if "parameters" in c.metadata.get("tags", []))
    found = ast.parse(cell.source).body
    return {s.target.id: ast.literal_eval(s.value) for s in found}


def test_given_values_replace_those_of_the_parameters_cell():
    before = parameters(with_parameters("05_thresholds", {}))
    wicked = 'C:\\runs\'); import os  # "x"'
    after = parameters(with_parameters("05_thresholds", {"source": wicked}))
    assert after == before | {"source": wicked}


def test_a_parameter_that_the_notebook_does_not_have_is_refused():
    with pytest.raises(ValueError, match="Did you mean 'source'"):
        with_parameters("05_thresholds", {"sorce": "x"})


def test_a_port_that_is_taken_is_refused():
    with socket.socket() as other:
        other.bind((LOOPBACK, 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ValueError, match=f"port {port} cannot be had"):
            free_port(port)


def test_a_free_port_can_be_had():
    assert free_port(free_port()) > 1023
