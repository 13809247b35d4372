// An OpenID provider for tests: whoever signs in is whom they say they are, and zoe is of two groups.
// Arguments: the module oidc-provider, the port on loopback, the redirect URI of its one client.
const [module, port, redirectUri] = process.argv.slice(2);
const { default: Provider } = await import(module);

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{ client_id: "conductor", client_secret: "change-me", redirect_uris: [redirectUri] }],
  claims: { openid: ["sub"], profile: ["preferred_username", "groups"] },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, preferred_username: id, ...(id === "zoe" ? { groups: ["staff", "dev"] } : {}) }),
  }),
});
provider.listen(Number(port), "127.0.0.1", () => console.log("listening"));
