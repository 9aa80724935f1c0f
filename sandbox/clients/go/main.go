// Google's clients for Go, unchanged, against the emulator: one function for each thing that is tested.
//
// Usage: client NAME. Where the emulator is and whose token to use stand in the environment.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"

	"golang.org/x/oauth2"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/iam/v1"
	"google.golang.org/api/option"
	"google.golang.org/api/storage/v1"
)

const (
	bucket  = "acme-mf"
	project = "acme"
)

func options(token, path string) []option.ClientOption {
	source := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: os.Getenv(token)})
	return []option.ClientOption{
		option.WithEndpoint(os.Getenv("EMULATOR_URL") + path),
		option.WithTokenSource(source),
	}
}

func objects(ctx context.Context) *storage.Service {
	service, err := storage.NewService(ctx, options("ADMIN_TOKEN", "/storage/v1/")...)
	must(err)
	return service
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// refused ends the program unless the call failed with this status and these words.
func refused(err error, status int, words string) {
	var found *googleapi.Error
	if !errors.As(err, &found) || found.Code != status || !strings.Contains(found.Error(), words) {
		log.Fatalf("%d %q was expected, not: %v", status, words, err)
	}
}

func upload(ctx context.Context, name string) *storage.Object {
	made, err := objects(ctx).Objects.Insert(bucket, &storage.Object{Name: name}).
		Media(strings.NewReader("x")).Context(ctx).Do()
	must(err)
	return made
}

func preconditions(ctx context.Context) {
	const name = "preconditions/by/go"
	const words = "At least one of the pre-conditions you specified did not hold."
	service := objects(ctx).Objects
	made := upload(ctx, name)
	refused(service.Delete(bucket, name).IfGenerationMatch(12345).Do(), 412, words)
	_, err := service.Get(bucket, name).IfGenerationMatch(12345).Do()
	refused(err, 412, words)
	_, err = service.Patch(bucket, name, &storage.Object{ContentType: "text/plain"}).IfGenerationMatch(12345).Do()
	refused(err, 412, words)
	_, err = service.Get(bucket, name).IfGenerationNotMatch(made.Generation).Do()
	if !googleapi.IsNotModified(err) {
		log.Fatalf("304 was expected, not: %v", err)
	}
	must(service.Delete(bucket, name).IfGenerationMatch(made.Generation).Do())
	refused(service.Delete(bucket, name).Do(), 404, "No such object: acme-mf/"+name)
}

func folders(ctx context.Context) {
	service := objects(ctx)
	listing, err := service.Objects.List(bucket).Delimiter("/").IncludeFoldersAsPrefixes(true).Do()
	must(err)
	if !strings.Contains(fmt.Sprint(listing.Prefixes), "empty/") {
		log.Fatalf("the empty managed folder is not among %v", listing.Prefixes)
	}
	deep := &storage.ManagedFolder{Name: strings.Repeat("d/", 16)}
	_, err = service.ManagedFolders.Insert(bucket, deep).Do()
	refused(err, 400, "15 levels")
	must(service.ManagedFolders.Delete(bucket, "empty/").Do())
}

func accounts(ctx context.Context) {
	service, err := iam.NewService(ctx, options("ADMIN_TOKEN", "/")...)
	must(err)
	made, err := service.Projects.ServiceAccounts.Create("projects/"+project,
		&iam.CreateServiceAccountRequest{AccountId: "made-by-go"}).Do()
	must(err)
	if made.Oauth2ClientId != made.UniqueId || made.Etag != "MDEwMjE5MjA=" {
		log.Fatalf("client id %s, unique id %s, etag %s", made.Oauth2ClientId, made.UniqueId, made.Etag)
	}
	// Somebody who may not see accounts must not learn from the refusal whether there is one.
	stranger, err := iam.NewService(ctx, options("BOB_TOKEN", "/")...)
	must(err)
	about := func(email string) string {
		_, err := stranger.Projects.ServiceAccounts.Get("projects/acme/serviceAccounts/" + email).Do()
		refused(err, 403, "Permission 'iam.serviceAccounts.get' denied on resource (or it may not exist).")
		var found *googleapi.Error
		errors.As(err, &found)
		return strings.ReplaceAll(found.Body, email, "EMAIL")
	}
	there, missing := about(made.Email), about("not-there@acme.iam.gserviceaccount.com")
	if there != missing {
		log.Fatalf("the refusals differ:\n%s\n%s", there, missing)
	}
}

func quotaProject(ctx context.Context) {
	with := append(options("ALICE_TOKEN", "/"), option.WithQuotaProject(project))
	service, err := iam.NewService(ctx, with...)
	must(err)
	_, err = service.Projects.ServiceAccounts.List("projects/" + project).Do()
	refused(err, 403, "USER_PROJECT_DENIED")
}

func main() {
	tests := map[string]func(context.Context){
		"accounts":      accounts,
		"folders":       folders,
		"preconditions": preconditions,
		"quotaProject":  quotaProject,
	}
	tests[os.Args[1]](context.Background())
	fmt.Println("ok", os.Args[1])
}
