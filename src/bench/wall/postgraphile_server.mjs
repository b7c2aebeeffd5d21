// PostGraphile under Node, as its documentation has it: token checked, claims as settings of the transaction, row-level
// security on them. Run as a process with the folder of its packages as argument; told and asked like child.ts.
import { createServer } from "node:http";
import { createRequire } from "node:module";
import process from "node:process";
import { createInterface } from "node:readline";

const require = createRequire(process.argv[2]);
const { postgraphile } = require("postgraphile");
const { Pool } = require("pg");

for await (const line of createInterface({ input: process.stdin })) {
  const { targets, connections, jwtSecret } = JSON.parse(line);
  const ports = [];
  for (const target of targets) {
    const handler = postgraphile(new Pool({ ...target, max: connections }), "bench", {
      jwtSecret,
      graphiql: false,
      disableQueryLog: true,
      watchPg: false,
      disableDefaultMutations: true,
      ignoreRBAC: false,
    });
    const server = createServer(handler);
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    ports.push(server.address().port);
  }
  console.log(JSON.stringify({ ports }));
}
process.exit(0);
