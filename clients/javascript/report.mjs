// What a program reports: lines of JSON on standard output, each outcome once.

const seen = new Set();

function line(members) {
  process.stdout.write(JSON.stringify(members) + "\n");
}

export function begin(client, version) {
  line({ client, version });
}

/** Report that an operation did what it should, or which error it had. */
export function outcome(operation, error) {
  const members = error ? { operation, error } : { operation };
  const key = JSON.stringify(members);
  if (!seen.has(key)) {
    seen.add(key);
    line(members);
  }
}

export function end(way) {
  line({ way });
}

/** End the program if something is not as it should be. */
export function check(condition, ...what) {
  if (!condition) {
    throw new Error("not as expected: " + what.map((w) => (typeof w === "string" ? w : JSON.stringify(w))).join(" "));
  }
}
