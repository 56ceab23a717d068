// Answers questions on standard input, one JSON object a line, by Segment's own code; one answer a line.
"use strict"
const readline = require("node:readline")
const { lex } = require("@segment/fql-ts")
const { matches, transform } = require("@segment/tsub")
const dlv = require("dlv")

function tokens(code) {
  const { tokens, error } = lex(code)
  return error ? null : tokens.map(({ type, value }) => [type, value])
}

// `x in field` for this event: equal to one of the list's elements, as Segment's reference has it. The IR's own "in" is
// for lists that are written out: it takes their elements for paths.
function written(ir, event) {
  if (!Array.isArray(ir)) return ir
  if (["and", "or", "!"].includes(ir[0])) return ir.map((part) => written(part, event))
  const elements = ir[0] === "in" && typeof ir[2] === "string" ? dlv(event, ir[2]) : null
  if (!Array.isArray(elements)) return ir
  return ["or", ...Array.from(elements.keys(), (index) => ["=", ir[1], `${ir[2]}.${index}`])]
}

function holds(ir, event) {
  return matches(event, { type: "fql", ir: JSON.stringify(written(ir, event)) })
}

// true or false; null where Segment's code throws.
function verdict(ir, event) {
  try {
    return holds(ir, event)
  } catch (error) {
    return null
  }
}

function transformed(text, rules) {
  let event = JSON.parse(text)
  try {
    for (const { ir, transformer } of rules) {
      if (ir !== null && !holds(ir, event)) continue
      event = transform(event, [transformer])
      if (event === null) return ["dropped"]
    }
  } catch (error) {
    return ["threw"]
  }
  return ["sent", JSON.stringify(event)]
}

const answers = {
  lex: ({ codes }) => codes.map(tokens),
  match: ({ irs, events }) => {
    const parsed = events.map((text) => JSON.parse(text))
    return irs.map((ir) => parsed.map((event) => verdict(ir, event)))
  },
  transform: ({ cases }) => cases.map(([text, rules]) => transformed(text, rules)),
  json: ({ texts }) => texts.map((text) => JSON.stringify(JSON.parse(text))),
}

readline.createInterface({ input: process.stdin, terminal: false }).on("line", (line) => {
  const question = JSON.parse(line)
  process.stdout.write(JSON.stringify(answers[question.ask](question)) + "\n")
})
