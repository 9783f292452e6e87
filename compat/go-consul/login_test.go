package compat

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
	"github.com/stretchr/testify/require"
)

func part(bytes []byte) string {
	return base64.RawURLEncoding.EncodeToString(bytes)
}

// signer is somebody who signs tokens, and tells its key to whoever asks.
type signer struct {
	key *rsa.PrivateKey
	url string
}

func newSigner(t *testing.T) *signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	keys := map[string]any{"keys": []any{map[string]any{
		"kty": "RSA", "kid": "k", "use": "sig", "alg": "RS256",
		"n": part(key.N.Bytes()), "e": part(big.NewInt(int64(key.E)).Bytes()),
	}}}
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(out).Encode(keys)
	}))
	t.Cleanup(server.Close)
	return &signer{key, server.URL}
}

func (s *signer) sign(t *testing.T, claims map[string]any) string {
	t.Helper()
	body, err := json.Marshal(claims)
	must(t, err)
	signed := part([]byte(`{"alg":"RS256","kid":"k","typ":"JWT"}`)) + "." + part(body)
	hash := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, s.key, crypto.SHA256, hash[:])
	must(t, err)
	return signed + "." + part(signature)
}

// A client that somebody vouches for gets a token, and gives it back.
func TestWhoIsVouchedForLogsInAndOut(t *testing.T) {
	server, root := closedServer(t)
	signer := newSigner(t)
	_, _, err := root.ACL().AuthMethodCreate(&api.ACLAuthMethod{
		Name: "machines", Type: "jwt", MaxTokenTTL: time.Hour, TokenLocality: "global",
		Config: map[string]any{
			"JWKSURL": signer.url, "BoundIssuer": "ci", "BoundAudiences": []string{"consul"},
			"ClaimMappings":     map[string]string{"team": "team"},
			"ListClaimMappings": map[string]string{"/groups": "groups"},
		},
	}, nil)
	must(t, err)
	_, _, err = root.ACL().RoleCreate(&api.ACLRole{
		Name: "operators", NodeIdentities: []*api.ACLNodeIdentity{{NodeName: "n", Datacenter: "dc1"}},
	}, nil)
	must(t, err)
	for _, rule := range []*api.ACLBindingRule{
		{BindType: api.BindingRuleBindTypeService, BindName: "${value.team}-web"},
		{BindType: api.BindingRuleBindTypeRole, BindName: "operators", Selector: `"ops" in list.groups`},
	} {
		rule.AuthMethod = "machines"
		_, _, err = root.ACL().BindingRuleCreate(rule, nil)
		must(t, err)
	}
	claims := map[string]any{
		"iss": "ci", "aud": "consul", "exp": time.Now().Add(time.Minute).Unix(), "team": "Red",
		"groups": []string{"ops"},
	}
	nobody := with(t, server, "")
	token, _, err := nobody.ACL().Login(&api.ACLLoginParams{
		AuthMethod: "machines", BearerToken: signer.sign(t, claims), Meta: map[string]string{"pod": "p"},
	}, nil)
	must(t, err)
	require.Equal(t, "machines", token.AuthMethod)
	require.Equal(t, `token created via login: {"pod":"p"}`, token.Description)
	require.Equal(t, "red-web", token.ServiceIdentities[0].ServiceName)
	require.Equal(t, "operators", token.Roles[0].Name)
	require.False(t, token.Local)
	require.Equal(t, time.Hour, token.ExpirationTime.Sub(token.CreateTime).Round(time.Second))

	own := with(t, server, token.SecretID)
	must(t, own.Agent().ServiceRegister(&api.AgentServiceRegistration{Name: "red-web", Port: 80}))
	err = own.Agent().ServiceRegister(&api.AgentServiceRegistration{Name: "other", Port: 80})
	require.ErrorContains(t, err, "lacks permission 'service:write'")
	by, _, err := root.ACL().TokenListFiltered(api.ACLTokenFilterOptions{AuthMethod: "machines"}, nil)
	must(t, err)
	require.Len(t, by, 1)
	require.Equal(t, token.AccessorID, by[0].AccessorID)

	_, err = own.ACL().Logout(nil)
	must(t, err)
	_, _, err = own.ACL().TokenReadSelf(nil)
	require.ErrorContains(t, err, "403 (ACL not found)")
	_, err = root.ACL().Logout(nil)
	require.ErrorContains(t, err, "Permission denied")

	claims["iss"] = "else"
	_, _, err = nobody.ACL().Login(&api.ACLLoginParams{
		AuthMethod: "machines", BearerToken: signer.sign(t, claims),
	}, nil)
	require.ErrorContains(t, err, "403 (Permission denied: ")

	claims["iss"] = "ci"
	token, _, err = nobody.ACL().Login(&api.ACLLoginParams{
		AuthMethod: "machines", BearerToken: signer.sign(t, claims),
	}, nil)
	must(t, err)
	_, err = root.ACL().AuthMethodDelete("machines", nil)
	must(t, err)
	_, _, err = with(t, server, token.SecretID).ACL().TokenReadSelf(nil)
	require.ErrorContains(t, err, "403 (ACL not found)")
	method, _, err := root.ACL().AuthMethodRead("machines", nil)
	must(t, err)
	require.Nil(t, method)
	rules, _, err := root.ACL().BindingRuleList("machines", nil)
	must(t, err)
	require.Empty(t, rules)
}
