package demo

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"dossier/internal/customer"
	"dossier/internal/fold"
)

// Names from many places: the sample must show that accents, scripts and single names work.
var (
	givenNames = []string{
		"Ada", "Élodie", "Jürgen", "Søren", "Zoë", "Łukasz", "Nguyễn", "Ana María", "Björn", "Chloé", "Dmitri", "Fatima", "Giulia",
		"Hiroshi", "Ioana", "João", "Käthe", "Liam", "Mette", "Noor", "Oluwaseun", "Priya", "Quentin", "Renée", "Sinéad", "Tomás",
		"Ursula", "Víctor", "Wen", "Yuki", "Zsófia", "Amélie", "Bruno", "Camille", "Diego", "Emma", "Finn", "Grace", "Hannah", "Ivan",
	}
	familyNames = []string{
		"Lovelace", "Müller", "Dubois", "Nakamura", "O'Connor", "García Márquez", "Kowalski", "Çelik", "Van den Berg", "Šimek", "Åkesson",
		"Rossi", "Papadopoulos", "Schröder", "Da Silva", "Nielsen", "Ivanova", "Kim", "Singh", "Bouchard", "Tremblay", "Weiß", "Horváth",
		"Popescu", "Fernández", "Johansson", "Moreau", "Schmidt", "Andersson", "Bianchi", "Costa", "Dupont", "Eriksson", "Fischer",
	}
	businesses = []string{
		"Bauunternehmung %s", "%s Dental", "%s & Fils", "Salon %s", "%s Fitness", "Garage %s", "%s Elektro", "Clinique %s", "%s Builders",
		"Physiotherapie %s", "Boulangerie %s", "%s Residential", "Studio %s", "%s Garden Service",
	}
	jobs  = []string{"Office manager", "Owner", "Site manager", "Accounting", "Reception", "Facility manager", "Assistant"}
	towns = []struct{ locality, region, postcode, country, phone, street string }{
		{"Berlin", "Berlin", "10115", "DE", "+4930901820%02d", "Invalidenstraße %d"},
		{"München", "Bayern", "80331", "DE", "+49892345678%01d", "Sendlinger Straße %d"},
		{"Wien", "Wien", "1010", "AT", "+4315123456%01d", "Kärntner Straße %d"},
		{"Zürich", "ZH", "8001", "CH", "+414421234%02d", "Bahnhofstrasse %d"},
		{"Lyon", "Auvergne-Rhône-Alpes", "69002", "FR", "+334723456%02d", "%d rue de la République"},
		{"Montréal", "QC", "H2Y 1C6", "CA", "+151455501%02d", "%d rue Saint-Paul"},
		{"Austin", "TX", "78701", "US", "+151255501%02d", "%d Congress Avenue"},
		{"København", "Hovedstaden", "1050", "DK", "+453312345%01d", "Bredgade %d"},
	}
)

func pick[T any](rnd *rand.Rand, list []T) T { return list[rnd.IntN(len(list))] }

// person is a sample customer, with how many contacts, documents and entries it gets.
type person struct {
	draft     customer.Draft
	documents int
	past      int
	upcoming  int
}

// newPerson makes the n-th sample customer: two in five are companies with contacts; some are nearly empty, some full.
func newPerson(rnd *rand.Rand, n int) person {
	given, family := pick(rnd, givenNames), pick(rnd, familyNames)
	d := customer.Draft{Kind: customer.Person, GivenName: &given, FamilyName: &family}
	if n%5 < 2 {
		name := fmt.Sprintf(pick(rnd, businesses), family)
		d = customer.Draft{Kind: customer.Company, CompanyName: &name}
		for range 1 + rnd.IntN(3) {
			d.Contacts = append(d.Contacts, newContact(rnd))
		}
	}
	if n%7 != 3 {
		d.Emails = emails(rnd, given, family)
		d.Phones = phones(rnd)
	}
	if n%3 != 1 {
		d.Addresses = []customer.AddressInput{newAddress(rnd)}
	}
	return person{draft: d, documents: rnd.IntN(4), past: rnd.IntN(6), upcoming: rnd.IntN(3)}
}

func newContact(rnd *rand.Rand) customer.ContactDraft {
	given, family, job := pick(rnd, givenNames), pick(rnd, familyNames), pick(rnd, jobs)
	return customer.ContactDraft{
		GivenName: &given, FamilyName: &family, Role: &job, Emails: emails(rnd, given, family)[:1], Phones: phones(rnd)[:1],
	}
}

// emails makes addresses at example.com, .org and .net, which reach nobody (RFC 2606).
func emails(rnd *rand.Rand, given, family string) []customer.EmailInput {
	local := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r
		case r == ' ' || r == '-':
			return '.'
		default:
			return -1
		}
	}, fold.Text(given+" "+family))
	host := pick(rnd, []string{"com", "org", "net"})
	list := []customer.EmailInput{{Address: fmt.Sprintf("%s@example.%s", strings.Trim(local, "."), host), Type: "HOME"}}
	if rnd.IntN(3) == 0 {
		list = append(list, customer.EmailInput{Address: fmt.Sprintf("invoices%d@example.%s", rnd.IntN(1000), host), Type: "BILLING"})
	}
	return list
}

func phones(rnd *rand.Rand) []customer.PhoneInput {
	list := []customer.PhoneInput{{Number: fmt.Sprintf(pick(rnd, towns).phone, rnd.IntN(10)), Type: "MOBILE"}}
	if rnd.IntN(3) == 0 {
		list = append(list, customer.PhoneInput{Number: fmt.Sprintf("+4930901820%02d;ext=%d", rnd.IntN(100), 10+rnd.IntN(90)), Type: "WORK"})
	}
	return list
}

func newAddress(rnd *rand.Rand) customer.AddressInput {
	t := pick(rnd, towns)
	street := fmt.Sprintf(t.street, 1+rnd.IntN(200))
	return customer.AddressInput{
		Type: "HOME", StreetAddress: &street, AddressLocality: &t.locality, AddressRegion: &t.region,
		PostalCode: &t.postcode, AddressCountry: &t.country,
	}
}
