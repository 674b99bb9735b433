<% String url = "jdbc:mysql://localhost:3306/jspdb"; String username = "jsp"; String password = "never-Shown-5a1"; %>
