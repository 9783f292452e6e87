// Addresses of pages: "#/keys/app%2Fname?keyspace=team-a". Every page and every choice on it has one.

/** What an address says: { page, rest: [parts behind it], query: {name: value} }. */
export function parse(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const [page = "", ...rest] = path.split("/").map(decode);
  return { page, rest, query: Object.fromEntries(new URLSearchParams(query)) };
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The address of a page: link("keys", "app/name", { keyspace }). What is empty is left out. */
export function link(page, ...rest) {
  const query = typeof rest.at(-1) === "object" ? rest.pop() : {};
  const said = Object.entries(query).filter(
    ([, value]) => value !== "" && value !== undefined && value !== null,
  );
  const parts = [page, ...rest].map((part) => encodeURIComponent(part)).join("/");
  return `#/${parts}${said.length ? "?" + new URLSearchParams(said) : ""}`;
}

/** The same page with other choices; it does not become a step back in the browser's history. */
export function choose(query) {
  const { page, rest, query: before } = parse(location.hash);
  const address = link(page, ...rest, { ...before, ...query });
  if (address !== location.hash) replace(address);
}

/** Puts an address in the place of the page's. Browsers take only so many of them in a while, and throw at more: then
    the page is as it was chosen, and its address will be with the next choice. */
export function replace(address) {
  try {
    history.replaceState(null, "", address);
  } catch (error) {
    console.warn(error);
  }
}
