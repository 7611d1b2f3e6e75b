from celltransfer_core.outputs.page import Page


def table_of(heads, rows):
    page = Page({})
    page.table(heads, rows)
    return page.html("A page").split("<div class=scroll>")[1]


def test_numbers_are_aligned_to_the_right_and_names_of_slides_are_not():
    heads = ["slide", "cells", "share", "p", "none"]
    rows = [["95-8-10", "1,200", "12.5 %", "2e-05", "–"], ["7b", "3", "0<br>0–9", "−1", ""]]
    told = table_of(heads, rows)
    assert "<td>95-8-10</td><td class=n>1,200</td><td class=n>12.5 %</td>" in told
    assert "<td>7b</td><td class=n>3</td><td class=n>0<br>0–9</td><td class=n>−1</td>" in told
    assert told.count("<th class=n>") == 4


def test_names_of_many_columns_stand_upright():
    few, many = ["slide", *["type"] * 3], ["slide", *["erythroblast"] * 9]
    assert table_of(few, [["1"] * 4]).startswith("<table><thead>")
    assert table_of(many, [["1"] * 10]).startswith("<table class=upright>")
