// An OpenID provider on loopback with a few accounts. Its settings are JSON in the only argument:
// {port, redirectUris, logoutUris, tokenSeconds}. The password of every account is its name.
//
// Beyond OpenID Connect, on loopback only:
//   POST /sandbox/rotate  new signing keys; the old ones are not published any more
//   POST /sandbox/sign    {header, claims} -> a token signed with the current key, for tests of wrong tokens
import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';
import { CompactSign, exportJWK, generateKeyPair, importJWK } from 'jose';

const settings = JSON.parse(process.argv[2]);
const issuer = `http://127.0.0.1:${settings.port}`;

const accounts = new Map([
  ['alice', { email: 'alice@acme.com', email_verified: true, groups: ['research'] }],
  ['bob', { email: 'bob@acme.com', email_verified: true, groups: ['research'] }],
  ['admin', { email: 'admin@acme.com', email_verified: true, groups: [] }],
  ['mallory', { email: 'mallory@acme.com', email_verified: false, groups: [] }],
]);

const findAccount = (_ctx, name) =>
  accounts.has(name) ? { accountId: name, claims: () => ({ sub: name, ...accounts.get(name) }) } : undefined;

// Everybody who may log in has agreed already.
async function loadExistingGrant(ctx) {
  const { client, session, provider } = ctx.oidc;
  const id = session.grantIdFor(client.clientId);
  const grant = (id && (await provider.Grant.find(id))) ||
    new provider.Grant({ accountId: session.accountId, clientId: client.clientId });
  grant.addOIDCScope('openid email groups offline_access');
  await grant.save();
  return grant;
}

const clients = [
  {
    client_id: 'metaflow-web',
    client_secret: 'web-secret',
    redirect_uris: settings.redirectUris,
    post_logout_redirect_uris: settings.logoutUris,
    grant_types: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_method: 'client_secret_post',
  },
  {
    client_id: 'metaflow-cli',
    application_type: 'native',
    redirect_uris: [],
    response_types: [],
    grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
    token_endpoint_auth_method: 'none',
  },
];

async function newKey() {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  return { ...(await exportJWK(privateKey)), kid: crypto.randomUUID(), alg: 'RS256', use: 'sig' };
}

function provider(key) {
  return new Provider(issuer, {
    clients,
    findAccount,
    loadExistingGrant,
    jwks: { keys: [key] },
    claims: { openid: ['sub'], email: ['email', 'email_verified'], groups: ['groups'] },
    scopes: ['openid', 'email', 'groups', 'offline_access'],
    // The id token names the person; nobody asks for more.
    conformIdTokenClaims: false,
    cookies: { keys: [crypto.randomUUID()] },
    features: { deviceFlow: { enabled: true }, devInteractions: { enabled: true }, rpInitiatedLogout: { enabled: true } },
    issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    rotateRefreshToken: false,
    ttl: {
      AccessToken: settings.tokenSeconds,
      IdToken: settings.tokenSeconds,
      DeviceCode: 600,
      RefreshToken: 86400,
      Session: 86400,
      Grant: 86400,
      Interaction: 600,
    },
  });
}

let key = await newKey();
let current = provider(key).callback();

async function body(request) {
  let text = '';
  for await (const part of request) text += part;
  return text;
}

async function handle(request, response) {
  if (request.method === 'POST' && request.url === '/sandbox/rotate') {
    key = await newKey();
    current = provider(key).callback();
    response.end(JSON.stringify({ kid: key.kid }));
  } else if (request.method === 'POST' && request.url === '/sandbox/sign') {
    const { header, claims } = JSON.parse(await body(request));
    const payload = new TextEncoder().encode(JSON.stringify(claims));
    const signer = new CompactSign(payload).setProtectedHeader({ alg: key.alg, kid: key.kid, ...header });
    response.end(await signer.sign(await importJWK(key, key.alg)));
  } else {
    current(request, response);
  }
}

createServer((request, response) => {
  handle(request, response).catch((error) => {
    console.error(error);
    response.writeHead(500).end(String(error));
  });
}).listen(settings.port, '127.0.0.1', () => console.log(`serving ${issuer}`));
