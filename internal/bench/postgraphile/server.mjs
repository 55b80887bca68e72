// PostGraphile 5 on Dossier's tables, for the bench: as its documentation starts it in production, with its caches on, no
// logging, no GraphiQL, and the relations named as Dossier names them. Arguments: PostgreSQL URL, port, connections, and "rls"
// for row-level security as its documentation says, by the settings of each request's transaction: its bearer token is the
// account, which nothing verifies here.
import { createServer } from "node:http";
import { grafserv } from "postgraphile/grafserv/node";
import { postgraphile } from "postgraphile";
import { makePgService } from "postgraphile/adaptors/pg";
import { PostGraphileAmberPreset } from "postgraphile/presets/amber";
import { PostGraphileConnectionFilterPreset } from "postgraphile-plugin-connection-filter";
import { jsonPgSmartTags } from "postgraphile/utils";

const [connectionString, port, max, rls] = process.argv.slice(2);

const settings = ({ node }) => ({
  pgSettings: { role: "dossier_app", "app.account": node.req.headers.authorization?.replace("Bearer ", "") },
});

// The foreign keys of the migrations do not say what an app calls them, and PostGraphile takes unique constraints for keys,
// where the migrations have unique indexes.
const key = { tags: { unique: "account_id,id" } };
const children = (name) => ({ tags: { foreignFieldName: name } });
const lists = (name) => ({ tags: { foreignFieldName: `${name}Paged`, foreignSimpleFieldName: name, behavior: "+list" } });

const relations = jsonPgSmartTags({
  version: 1,
  config: {
    class: { customer: key, contact: key, document: key, document_version: key },
    constraint: {
      "contact.contact_customer_fk": children("contacts"),
      "document.document_customer_fk": children("documents"),
      "document.document_current_version_fk": { tags: { fieldName: "currentVersion", foreignFieldName: "currentOf" } },
      "timeline_entry.timeline_entry_customer_fk": children("timeline"),
      "phone_number.phone_number_customer_fk": lists("phones"),
      "phone_number.phone_number_contact_fk": lists("phones"),
      "email_address.email_address_customer_fk": lists("emails"),
      "email_address.email_address_contact_fk": lists("emails"),
    },
  },
});

const preset = {
  extends: [PostGraphileAmberPreset, PostGraphileConnectionFilterPreset],
  plugins: [relations],
  // Every column may be ordered and filtered by, which the indexes of (account_id, customer_id, ...) serve.
  disablePlugins: ["PgIndexBehaviorsPlugin", "NodePlugin"],
  schema: { defaultBehavior: "-insert -update -delete", retryOnInitFail: false },
  gather: { installWatchFixtures: false },
  grafast: { explain: false, ...(rls === "rls" && { context: settings }) },
  grafserv: { graphiql: false, graphiqlOnGraphQLGET: false, websockets: false, watch: false },
  pgServices: [makePgService({ connectionString, schemas: ["public"], poolConfig: { max: Number(max), application_name: "postgraphile" } })],
};

const pgl = postgraphile(preset);
const serv = pgl.createServ(grafserv);
const server = createServer();
server.on("error", (e) => {
  console.error(e);
  process.exit(1);
});
await serv.addTo(server);
const health = createServer((req, res) => res.end("ok"));
await pgl.getSchema();
if (process.argv.includes("--print")) {
  const { printSchema } = await import("graphql");
  console.log(printSchema(await pgl.getSchema()));
  process.exit(0);
}
server.listen(Number(port), "127.0.0.1", () => health.listen(Number(port) + 1, "127.0.0.1"));
process.on("SIGTERM", () => process.exit(0));
